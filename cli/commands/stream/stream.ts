/** `tide stream …`: the pipelines, as YAML files. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { ReplayFlags } from './replay.ts'
import type { StreamRunFlags } from './run.ts'

export function addStream(program: Command, context: CliContext): void {
  const stream = program
    .command('stream')
    .description('streams: a topic becomes a table (run, lint, dry-run, echo, ls, status, replay)')

  stream
    .command('run')
    .description('run streams until stopped (SIGINT or SIGTERM commits what was read)')
    .argument('[files...]', 'files or directories (default: streams/)')
    .option('--until <end>', 'latest: drain to the end of the log as it is now, commit, exit 0')
    .option('--work-dir <dir>', 'spool files go here (default: the system temporary directory)')
    .action(async (files: readonly string[], options: StreamRunFlags) => {
      const { runStreams } = await import('./run.ts')
      await runStreams(context, files, options)
    })

  stream
    .command('lint')
    .description('check settings as run reads them; exit 1 on any fault')
    .argument('[files...]', 'files or directories (default: tidewater.yaml and streams/)')
    .action(async (files: readonly string[]) => {
      const { lintFiles } = await import('./lint.ts')
      await lintFiles(context, files)
    })

  stream
    .command('dry-run')
    .description('connect, read a sample, say what run would do; nothing is committed')
    .argument('[files...]', 'files or directories (default: streams/)')
    .action(async (files: readonly string[]) => {
      const { dryRunStreams } = await import('./dry-run.ts')
      await dryRunStreams(context, files)
    })

  stream
    .command('echo')
    .description('print the settings that hold after files, environment and flags, secrets masked')
    .argument('[files...]', 'files or directories (default: tidewater.yaml and streams/)')
    .option('--origin', 'say for each value where it comes from')
    .action(async (files: readonly string[], options: { readonly origin?: boolean }) => {
      const { echoSettings } = await import('./echo.ts')
      await echoSettings(context, files, options.origin === true)
    })

  stream
    .command('status')
    .description('how far each stream has come: table against log')
    .argument('[files...]', 'files or directories (default: streams/)')
    .option('--partitions', 'a line per partition')
    .action(async (files: readonly string[], options: { readonly partitions?: boolean }) => {
      const { showStatus } = await import('./status.ts')
      await showStatus(context, files, options.partitions === true)
    })

  stream
    .command('ls')
    .alias('list')
    .description('list the streams of the project')
    .argument('[files...]', 'files or directories (default: streams/)')
    .action(async (files: readonly string[]) => {
      const { listStreams } = await import('./ls.ts')
      await listStreams(context, files)
    })

  addReplay(stream, context)
}

function addReplay(stream: Command, context: CliContext): void {
  stream
    .command('replay')
    .description('read a range of the log again into a branch; a dry run unless --execute')
    .argument('<name>', 'the stream, by name or by file')
    .option('--to-earliest', 'from the first record that the log still has')
    .option('--to-offset <T:P=N>', 'from this offset of this partition; repeatable', collect)
    .option('--to-datetime <time>', 'from the first record at or after this time')
    .option('--until <end>', 'latest (what the table holds), a time, or T:P=N; repeatable', collect)
    .requiredOption('--into <branch>', 'the branch that receives the rows')
    .option('--dry-run', 'say what would be read and exchanged (the default)')
    .option('--execute', 'make the branch, or go on where an earlier run stopped')
    .option('--diff', 'then show the rows that differ')
    .option('--restart', 'drop the branch of an earlier replay and begin anew')
    .option('--work-dir <dir>', 'spool files go here (default: the system temporary directory)')
    .action(async (name: string, options: ReplayFlags) => {
      const { replayStream } = await import('./replay.ts')
      await replayStream(context, name, options)
    })
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}
