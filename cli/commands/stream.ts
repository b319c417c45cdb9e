/** `tide stream …`: the pipelines, as YAML files. */
import type { Command } from 'commander'
import type { CliContext } from '../context.ts'

export function addStream(program: Command, context: CliContext): void {
  const stream = program
    .command('stream')
    .description('streams: a topic becomes a table (lint, echo, ls)')

  stream
    .command('lint')
    .description('check settings as run reads them; exit 1 on any fault')
    .argument('[files...]', 'files or directories (default: tidewater.yaml and streams/)')
    .action(async (files: readonly string[]) => {
      const { lintFiles } = await import('../stream-lint.ts')
      await lintFiles(context, files)
    })

  stream
    .command('echo')
    .description('print the settings that hold after files, environment and flags, secrets masked')
    .argument('[files...]', 'files or directories (default: tidewater.yaml and streams/)')
    .option('--origin', 'say for each value where it comes from')
    .action(async (files: readonly string[], options: { readonly origin?: boolean }) => {
      const { echoSettings } = await import('../stream-echo.ts')
      await echoSettings(context, files, options.origin === true)
    })

  stream
    .command('ls')
    .alias('list')
    .description('list the streams of the project')
    .argument('[files...]', 'files or directories (default: streams/)')
    .action(async (files: readonly string[]) => {
      const { listStreams } = await import('../stream-list.ts')
      await listStreams(context, files)
    })
}
