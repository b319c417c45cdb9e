/** `tide stream …`: the pipelines, as YAML files. */
import type { Command } from 'commander'
import type { CliContext } from '../context.ts'
import type { StreamRunFlags } from '../stream-run.ts'

export function addStream(program: Command, context: CliContext): void {
  const stream = program
    .command('stream')
    .description('streams: a topic becomes a table (run, lint, dry-run, echo, ls, status)')

  stream
    .command('run')
    .description('run streams until stopped (SIGINT or SIGTERM commits what was read)')
    .argument('[files...]', 'files or directories (default: streams/)')
    .option('--until <end>', 'latest: drain to the end of the log as it is now, commit, exit 0')
    .option('--work-dir <dir>', 'spool files go here (default: the system temporary directory)')
    .action(async (files: readonly string[], options: StreamRunFlags) => {
      const { runStreams } = await import('../stream-run.ts')
      await runStreams(context, files, options)
    })

  stream
    .command('lint')
    .description('check settings as run reads them; exit 1 on any fault')
    .argument('[files...]', 'files or directories (default: tidewater.yaml and streams/)')
    .action(async (files: readonly string[]) => {
      const { lintFiles } = await import('../stream-lint.ts')
      await lintFiles(context, files)
    })

  stream
    .command('dry-run')
    .description('connect, read a sample, say what run would do; nothing is committed')
    .argument('[files...]', 'files or directories (default: streams/)')
    .action(async (files: readonly string[]) => {
      const { dryRunStreams } = await import('../stream-dry-run.ts')
      await dryRunStreams(context, files)
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
    .command('status')
    .description('how far each stream has come: table against log')
    .argument('[files...]', 'files or directories (default: streams/)')
    .option('--partitions', 'a line per partition')
    .action(async (files: readonly string[], options: { readonly partitions?: boolean }) => {
      const { showStatus } = await import('../stream-status.ts')
      await showStatus(context, files, options.partitions === true)
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
