/** `tide stream offsets`: where a stream stands in its log, and setting it by hand. */
import type { Command } from 'commander'
import {
  readStreamPositions,
  type SetOffsetsReport,
  type SetOffsetsRequest,
  setStreamOffsets,
} from '../../../app/index.ts'
import { parseOffsetTarget } from '../../../ingest/index.ts'
import type { CliContext, LoadedStream } from '../../frame/context.ts'
import { fromFlags, SilentFailure, UsageError } from '../../frame/failure.ts'
import { findStream } from './find-stream.ts'

interface OffsetsFlags {
  readonly fromSnapshot?: string
  readonly allowDuplicates?: boolean
  readonly dryRun?: boolean
  readonly execute?: boolean
}

export function addOffsets(stream: Command, context: CliContext): void {
  stream
    .command('offsets')
    .description('show where a stream stands in its log, or set it; a dry run unless --execute')
    .argument('<name>', 'the stream, by name or by file')
    .argument('[verb]', 'show or set', 'show')
    .argument('[targets...]', 'T:P=N, T:P=earliest|latest, or T=earliest|latest for all partitions')
    .option('--from-snapshot <id>', 'the offsets that this snapshot of the table records')
    .option('--allow-duplicates', 'also back to records that are in the table already')
    .option('--dry-run', 'say what would change (the default)')
    .option('--execute', 'change it, in a snapshot without rows that says who did it')
    .action((name: string, verb: string, targets: readonly string[], flags: OffsetsFlags) =>
      offsets(context, name, verb, targets, flags),
    )
}

async function offsets(
  context: CliContext,
  name: string,
  verb: string,
  targets: readonly string[],
  flags: OffsetsFlags,
): Promise<void> {
  if (verb === 'show') {
    if (targets.length > 0 || flags.execute === true || flags.fromSnapshot !== undefined) {
      throw new UsageError(`show changes nothing: tide stream offsets ${name} set ...`)
    }
    return showOffsets(context, await findStream(context, name))
  }
  if (verb !== 'set') throw new UsageError(`offsets takes show or set, found "${verb}"`)
  const request = requestOf(targets, flags)
  const stream = await findStream(context, name)
  const lake = await context.openLake([stream.file])
  const report = await setStreamOffsets(lake, stream.settings, request)
  await printReport(context, report)
}

function requestOf(targets: readonly string[], flags: OffsetsFlags): SetOffsetsRequest {
  const { fromSnapshot, dryRun, execute, allowDuplicates } = flags
  if (dryRun === true && execute === true) {
    throw new UsageError('--dry-run and --execute exclude each other')
  }
  if ((fromSnapshot === undefined) === (targets.length === 0)) {
    throw new UsageError(
      'say where the stream goes on: either T:P=N, T:P=earliest|latest, T=earliest|latest, or --from-snapshot ID',
    )
  }
  const common = { execute: execute === true, allowDuplicates: allowDuplicates === true }
  if (fromSnapshot === undefined) {
    return fromFlags(() => ({ ...common, targets: targets.map(parseOffsetTarget) }))
  }
  if (!/^\d{1,19}$/.test(fromSnapshot)) {
    throw new UsageError(`--from-snapshot takes the id of a snapshot, found "${fromSnapshot}"`)
  }
  return { ...common, fromSnapshot: BigInt(fromSnapshot) }
}

async function showOffsets(context: CliContext, { file, settings }: LoadedStream): Promise<void> {
  const lake = await context.openLake([file])
  const { partitions, logFault, fault } = await readStreamPositions(lake, settings)
  await context.print({
    columns: ['topic', 'partition', 'next_offset', 'earliest', 'latest', 'commit_lag', 'fault'],
    rows: (partitions ?? []).map(({ nextOffset, commitLag, fault: inWords, ...one }) => ({
      topic: one.topic,
      partition: one.partition,
      next_offset: nextOffset ?? null,
      earliest: one.earliest,
      latest: one.latest,
      commit_lag: commitLag,
      fault: inWords ?? null,
    })),
    empty: 'no partitions',
  })
  if (logFault !== undefined) context.note(`the log does not answer: ${logFault}`)
  if (fault !== undefined) context.note(fault)
  if (logFault !== undefined || fault !== undefined) throw new SilentFailure()
}

async function printReport(context: CliContext, report: SetOffsetsReport): Promise<void> {
  const { table, branch, changes, identity, others, isChange, isExecuted } = report
  await context.print({
    columns: ['topic', 'partition', 'before', 'after', 'skipped', 'lost', 'repeated'],
    rows: changes.map(({ topic, partition, before, after, skipped, lost, repeated }) => ({
      topic,
      partition,
      before: before ?? null,
      after,
      skipped,
      lost,
      repeated,
    })),
    empty: isChange ? 'the offsets of this stream stay' : 'the table says so already',
  })
  const sum = (pick: (change: SetOffsetsReport['changes'][number]) => bigint): bigint =>
    changes.reduce((total, change) => total + pick(change), 0n)
  for (const line of identity) context.note(line)
  if (others.length > 0) {
    context.note(`these streams go back to what the rows reach, too: ${others.join(', ')}`)
  }
  const skipped = sum((change) => change.skipped)
  const lost = sum((change) => change.lost)
  const repeated = sum((change) => change.repeated)
  if (skipped > 0n) context.note(`skipped: at most ${skipped} records that are in the log`)
  if (lost > 0n) context.note(`lost: at most ${lost} records that the log no longer holds`)
  if (repeated > 0n) context.note(`repeated: at most ${repeated} records will be in ${table} twice`)
  if (!isChange) return
  context.note(
    isExecuted
      ? `set on ${branch} of ${table}; a running sink goes on from there`
      : 'a dry run: nothing was changed (--execute does it)',
  )
}
