/** `tide stream …`: the pipelines, as YAML files. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import { addDryRun } from './dry-run.ts'
import { addEcho } from './echo.ts'
import { addLint } from './lint.ts'
import { addStreamLs } from './ls.ts'
import { addOffsets } from './offsets.ts'
import { addReplay } from './replay.ts'
import { addRun } from './run.ts'
import { addSchema } from './schema.ts'
import { addStatus } from './status.ts'

const verbs = [
  addRun,
  addLint,
  addDryRun,
  addSchema,
  addEcho,
  addStatus,
  addStreamLs,
  addOffsets,
  addReplay,
]

export function defineStream(stream: Command, context: CliContext): void {
  stream.description(
    'streams: a topic becomes a table (run, lint, dry-run, schema, echo, ls, status, offsets, replay)',
  )
  for (const add of verbs) add(stream, context)
}
