/** `tide table …`: PyIceberg's verbs over our own catalog or any REST catalog (`--uri`). */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import { addDiff } from './diff.ts'
import { addDiscard } from './discard.ts'
import { addDrop } from './drop.ts'
import { addExpireSnapshots } from './expire-snapshots.ts'
import { addHealth } from './health.ts'
import { addInspection } from './inspect.ts'
import { addList } from './list.ts'
import { addProperties } from './properties.ts'
import { addPublish } from './publish.ts'
import { addRemoveOrphanFiles } from './remove-orphan-files.ts'
import { addRename } from './rename.ts'
import { addRewriteDataFiles } from './rewrite-data-files.ts'

const verbs = [
  addList,
  addInspection,
  addProperties,
  addDrop,
  addRename,
  addDiff,
  addPublish,
  addDiscard,
  addHealth,
  addRewriteDataFiles,
  addExpireSnapshots,
  addRemoveOrphanFiles,
]

export function defineTable(table: Command, context: CliContext): void {
  table.description(
    'tables: list, describe, schema, spec, snapshots, files, properties, drop, rename, upkeep',
  )
  for (const add of verbs) add(table, context)
}
