/** `tide stream …`: the pipelines, as YAML files. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import { defineDryRun } from './dry-run.ts'
import { defineEcho } from './echo.ts'
import { defineLint } from './lint.ts'
import { defineStreamLs } from './ls.ts'
import { defineReplay } from './replay.ts'
import { defineRun } from './run.ts'
import { defineStatus } from './status.ts'

export function defineStream(stream: Command, context: CliContext): void {
  defineRun(stream.command('run'), context)
  defineLint(stream.command('lint'), context)
  defineDryRun(stream.command('dry-run'), context)
  defineEcho(stream.command('echo'), context)
  defineStatus(stream.command('status'), context)
  defineStreamLs(stream.command('ls'), context)
  defineReplay(stream.command('replay'), context)
}
