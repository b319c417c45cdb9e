/** `tide table …`: PyIceberg's verbs over our own catalog or any REST catalog (`--uri`). */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import { defineDiff } from './diff.ts'
import { defineDrop } from './drop.ts'
import { defineExpireSnapshots } from './expire-snapshots.ts'
import { defineHealth } from './health.ts'
import { defineInspection } from './inspect.ts'
import { defineList } from './list.ts'
import { defineProperties } from './properties.ts'
import { definePublish } from './publish.ts'
import { defineRemoveOrphanFiles } from './remove-orphan-files.ts'
import { defineRename } from './rename.ts'
import { defineRewriteDataFiles } from './rewrite-data-files.ts'

export function defineTable(table: Command, context: CliContext): void {
  defineList(table.command('list'), context)
  defineInspection(table, context)
  defineProperties(table.command('properties'), context)
  defineDrop(table.command('drop'), context)
  defineRename(table.command('rename'), context)
  defineDiff(table.command('diff'), context)
  definePublish(table.command('publish'), context)
  defineHealth(table.command('health'), context)
  defineRewriteDataFiles(table.command('rewrite-data-files'), context)
  defineExpireSnapshots(table.command('expire-snapshots'), context)
  defineRemoveOrphanFiles(table.command('remove-orphan-files'), context)
}
