/** `tide stream replay`: a range of the log read again into a branch of the stream's table. */
import { collect } from '../../frame/collect.ts'
import type { Command } from 'commander'
import { resolve } from 'node:path'
import {
  executeReplay,
  previewReplay,
  type ReplayPreview,
  type ReplayReport,
  type ReplayRequest,
} from '../../../app/index.ts'
import { parseTime } from '../../../settings/index.ts'
import { parseRecordCoordinates } from '../../../replay/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { exitCodes, fromFlags, SilentFailure, UsageError } from '../../frame/failure.ts'
import { printDiff } from '../table/diff.ts'
import { findStream } from './find-stream.ts'

interface ReplayFlags {
  readonly toEarliest?: boolean
  readonly toOffset?: readonly string[]
  readonly toDatetime?: string
  readonly until?: readonly string[]
  readonly into: string
  readonly dryRun?: boolean
  readonly execute?: boolean
  readonly diff?: boolean
  readonly restart?: boolean
  readonly workDir?: string
  readonly stream?: string
}

export function addReplay(stream: Command, context: CliContext): void {
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
    .option('--restart', 'drop the branch of an earlier replay and start again')
    .option(
      '--stream <name>',
      'the name under which the range was read, if the stream has a new one',
    )
    .option('--work-dir <dir>', 'spool files go here (default: the system temporary directory)')
    .action((name: string, flags: ReplayFlags) => replayStream(context, name, flags))
}

async function replayStream(context: CliContext, name: string, flags: ReplayFlags): Promise<void> {
  const request = requestOf(flags)
  const stream = await findStream(context, name)
  const lake = await context.openLake([stream.file])
  if (flags.execute !== true) {
    await printPreview(context, await previewReplay(lake, stream.settings, request), request)
    return
  }
  const report = await executeReplay(lake, stream.settings, {
    ...request,
    signal: context.signal,
    onProgress: (progress) =>
      context.progress.update({
        label: `${name} into ${request.into}`,
        records: progress.recordsRead,
        recordsPerSecond: (progress.recordsRead / Math.max(1, progress.elapsedMs)) * 1_000,
        lag: progress.readLag,
        commits: progress.commits,
        deadLetters: progress.deadLetters,
      }),
    ...(flags.workDir === undefined
      ? {}
      : { workDirectory: resolve(context.directory, flags.workDir) }),
  })
  context.progress.done()
  if (flags.diff === true && report.isComplete) {
    noteReport(context, report)
    await printDiff(context, lake, stream.settings.output.table, request.into)
    return
  }
  await context.printRecord({
    table: report.table,
    branch: report.branch,
    changed: report.isChanged,
    complete: report.isComplete,
    records: report.recordsRead,
    rows: report.rowsCommitted,
    dead_letters: report.deadLetters,
  })
  if (!report.isComplete) {
    context.note(
      `ended by a signal before the range was read: run the same command again to go on; ${report.table} is as it was`,
    )
    throw new SilentFailure(exitCodes.interrupted)
  }
  noteReport(context, report)
}

function noteReport(context: CliContext, { table, branch, isChanged }: ReplayReport): void {
  if (!isChanged) context.note(`branch ${branch} holds this replay already: nothing was changed`)
  context.note(
    `compare: tide table diff ${table} --branch ${branch}; publish: tide table publish ${table} --branch ${branch}`,
  )
}

function requestOf(flags: ReplayFlags): ReplayRequest {
  const { toEarliest, toOffset = [], toDatetime, until = [], into } = flags
  const given = [toEarliest === true, toOffset.length > 0, toDatetime !== undefined]
  if (given.filter(Boolean).length !== 1) {
    throw new UsageError(
      'say where the replay begins: one of --to-earliest, --to-offset T:P=N, --to-datetime TIME',
    )
  }
  if (flags.dryRun === true && flags.execute === true) {
    throw new UsageError('--dry-run and --execute exclude each other')
  }
  if (flags.diff === true && flags.execute !== true) {
    throw new UsageError('--diff shows what --execute did; or tide table diff TABLE --branch NAME')
  }
  return fromFlags(() => ({
    from: fromOf(toOffset, toDatetime),
    until: untilOf(until),
    into,
    restart: flags.restart === true,
    ...(flags.stream === undefined ? {} : { stream: flags.stream }),
  }))
}

function fromOf(
  toOffset: readonly string[],
  toDatetime: string | undefined,
): ReplayRequest['from'] {
  if (toOffset.length > 0) {
    return { kind: 'offsets', coordinates: toOffset.map(parseRecordCoordinates) }
  }
  if (toDatetime === undefined) return { kind: 'earliest' }
  return { kind: 'time', timestampMs: parseTime(toDatetime.replace(/^@/, '')) }
}

function untilOf(until: readonly string[]): ReplayRequest['until'] {
  const [first] = until
  if (first === undefined || (until.length === 1 && first === 'latest')) return { kind: 'latest' }
  if (until.every((text) => text.includes('='))) {
    return { kind: 'offsets', coordinates: until.map(parseRecordCoordinates) }
  }
  if (until.length === 1) return { kind: 'time', timestampMs: parseTime(first.replace(/^@/, '')) }
  throw new UsageError('--until takes latest, one time, or T:P=N once for each partition')
}

async function printPreview(
  context: CliContext,
  preview: ReplayPreview,
  { into }: ReplayRequest,
): Promise<void> {
  await context.print({
    columns: ['topic', 'partition', 'from', 'to', 'records_max', 'rows', 'dead_letters'],
    rows: preview.ranges.map(({ topic, partition, from, to, rows, deadLetters }) => ({
      topic,
      partition,
      from,
      to,
      records_max: to - from,
      rows,
      dead_letters: deadLetters,
    })),
  })
  const { left, table, target, snapshotId, filesWhole, filesPartial, rowsRewritten } = preview
  if (left !== undefined) {
    context.note(
      left === 0n
        ? `branch ${into} holds this replay already: --execute would change nothing`
        : `branch ${into} holds part of this replay: --execute goes on, ${left} offsets are left`,
    )
    return
  }
  context.note(
    `branch ${into} would begin at snapshot ${snapshotId} of ${target}; ${target} stays as it is until: ` +
      `tide table publish ${table} --branch ${into}`,
  )
  context.note(
    `publishing would exchange the range's rows in one commit: ${filesWhole} files as a whole, ` +
      `${filesPartial} files whose other ${rowsRewritten} rows are written again; the stream's offsets stay`,
  )
  context.note('a dry run: nothing was changed (--execute does it)')
}
