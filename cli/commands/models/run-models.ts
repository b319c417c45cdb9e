/** `tide build`, `run`, `test`, `snapshot` and `retry`: a line per node as it ends, a table of all at the end. */
import type { Command } from 'commander'
import {
  type RunOptions,
  dataTests,
  type NodeResult,
  readRunResults,
  type RunResults,
  selectModels,
  writeProjectManifest,
  writeRunResults,
} from '../../../batch-jobs/index.ts'
import { formatDuration, type Json } from '../../../common/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure, UsageError } from '../../frame/failure.ts'
import {
  type ModelFlags,
  openJobs,
  projectDirectory,
  projectFlag,
  selection,
  selectionFlags,
  threadsOf,
  windowOf,
} from './model-flags.ts'
import { nothingChosen } from '../../frame/nothing-chosen.ts'
import type { Report, Row } from '../../frame/output.ts'

type Verb = RunOptions['verb']

const descriptions: Readonly<Record<Verb, string>> = {
  build: 'build models and snapshots in order, each followed by its tests',
  run: 'build models, without snapshots and tests',
  test: 'run the tests of models on the tables as they are',
  snapshot: 'bring snapshots (SCD Type 2) up to date',
}

/** The flags of `verb`, on the command of that name. */
export function defineVerb(command: Command, context: CliContext, verb: Verb): void {
  selectionFlags(command)
    .description(descriptions[verb])
    .option('--threads <n>', 'models at a time (default 1)')
    .option('--vars <yaml>', "what var('name') gives, such as '{day: 2024-01-01}'")
  if (verb !== 'test') {
    command.option('-f, --full-refresh', 'compute everything again')
    if (verb !== 'run') command.option('--discard-history', 'of snapshots too, for good')
  }
  if (verb === 'build' || verb === 'run') {
    command
      .option('--event-time-start <time>', 'intervals from this time on, done or not')
      .option('--event-time-end <time>', 'intervals before this time')
  }
  command.action((flags: ModelFlags) => runModels(context, verb, flags))
}

export function defineRetry(retry: Command, context: CliContext): void {
  projectFlag(retry)
    .description('the last run again, from its first failed node')
    .action((flags: ModelFlags) => retryModels(context, flags))
}

async function runModels(
  context: CliContext,
  verb: Verb,
  flags: ModelFlags,
  only?: readonly string[],
): Promise<void> {
  const window = windowOf(flags)
  const threads = threadsOf(flags)
  const { project, tools, run } = await openJobs(context, flags)
  await writeProjectManifest(project, dataTests(project, project.models), context.clock.now())
  const results = await run({
    verb,
    ...selection(flags),
    ...(only === undefined ? {} : { only }),
    threads,
    fullRefresh: flags.fullRefresh === true,
    discardHistory: flags.discardHistory === true,
    window,
    signal: context.signal,
    onResult: (result) => note(context, result),
  })
  await writeRunResults(project.directory, results, { which: verb, ...argumentsOf(flags) })
  tools.logger.debug('models.finished', { run: results.runId })
  const { select, exclude } = selection(flags)
  const chosen = selectModels(project.models, select, exclude)
  await context.print(resultsReport(results, nothingChosen(project.models, chosen, verb)))
  if (!results.ok) throw new SilentFailure()
}

/** The failed nodes of the last run and what was not run because of them, with that run's flags. */
async function retryModels(context: CliContext, flags: ModelFlags): Promise<void> {
  const last = await readRunResults(projectDirectory(context, flags))
  if (last.failed.length === 0) {
    context.note('nothing failed in the last run')
    return
  }
  const { which, ...rest } = last.args
  const verb = (['build', 'run', 'test', 'snapshot'] as const).find((each) => each === which)
  if (verb === undefined) throw new UsageError('target/run_results.json names no command to retry')
  const stored = rest as ModelFlags
  await runModels(context, verb, { ...stored, ...flags }, last.failed)
}

export function note(
  context: CliContext,
  { name, kind, status, message, elapsedMs }: NodeResult,
): void {
  const what = kind === 'model' ? name : `${kind} ${name}`
  const text = message === '' ? '' : `: ${message}`
  context.note(`${status.padEnd(8)}${what} (${formatDuration(Math.round(elapsedMs))})${text}`)
}

export function resultsReport({ results }: RunResults, empty: string): Report {
  return {
    columns: [
      'node',
      'kind',
      'status',
      'rows',
      { key: 'time', align: 'right' },
      'snapshot_id',
      'message',
    ],
    wide: ['snapshot_id', 'message'],
    rows: results.map((result): Row => {
      return {
        node: result.name,
        kind: result.kind,
        status: result.status,
        rows: result.failures ?? result.rowsAffected ?? null,
        time: formatDuration(Math.round(result.elapsedMs)),
        snapshot_id: result.snapshotId?.toString() ?? null,
        message: result.message,
      }
    }),
    empty,
  }
}

function argumentsOf(flags: ModelFlags): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    Object.entries(flags as Readonly<Record<string, Json | undefined>>).flatMap(([key, value]) =>
      value === undefined || key === 'projectDir' ? [] : [[key, value]],
    ),
  )
}
