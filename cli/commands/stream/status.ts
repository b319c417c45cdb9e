/** `tide stream status`: the table's own offsets against the log. */
import type { Command } from 'commander'
import { type StreamStatus, streamStatus } from '../../../app/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import { formatDuration } from '../../../common/index.ts'
import type { CliContext, LoadedStream } from '../../frame/context.ts'
import { SilentFailure } from '../../frame/failure.ts'
import type { Report, Row } from '../../frame/output.ts'
import { failForFaults, loadGoodStreams } from '../../frame/stream-files.ts'
import { streamVerb } from './stream-verb.ts'

interface Shown {
  readonly stream: LoadedStream
  readonly status: StreamStatus
}

export function addStatus(stream: Command, context: CliContext): void {
  streamVerb(stream, 'status')
    .description('how far each stream has come: table against log')
    .option('--partitions', 'a line per partition')
    .action((files: readonly string[], { partitions }: { readonly partitions?: boolean }) =>
      showStatus(context, files, partitions === true),
    )
}

async function showStatus(
  context: CliContext,
  named: readonly string[],
  byPartition: boolean,
): Promise<void> {
  const { streams, faults: files } = await loadGoodStreams(
    context,
    await context.streamFiles(named),
  )
  const lake = await context.openLake(named)
  const shown: Shown[] = []
  for (const stream of streams) {
    shown.push({ stream, status: await streamStatus(lake, stream.settings) })
  }
  const now = context.clock.now()
  await context.print(byPartition ? partitionReport(shown) : streamReport(shown, now))
  noteReplays(context, shown, now)
  const faults = shown.filter(({ status }) => status.logFault !== undefined)
  for (const { stream, status } of faults) {
    context.note(`${stream.settings.name}: the log does not answer: ${status.logFault ?? ''}`)
  }
  const stopped = shown.filter(({ status }) => status.fault !== undefined)
  for (const { stream, status } of stopped) {
    context.note(`${stream.settings.name} cannot go on: ${status.fault ?? ''}`)
  }
  failForFaults(context, files)
  if (faults.length > 0 || stopped.length > 0) throw new SilentFailure()
}

/** Once for each table, which streams may share. */
function noteReplays(context: CliContext, shown: readonly Shown[], nowMs: number): void {
  const replays = shown.flatMap(({ status }) => status.replays)
  const notes = replays.map(({ table, branch, stream, state, beganMs, request }) => {
    const age = beganMs === undefined ? '' : `, ${formatDuration(Math.max(0, nowMs - beganMs))} old`
    const on = `${table} --branch ${branch}`
    const publish = state === 'finished' ? `publish: tide table publish ${on}; ` : ''
    return `a replay of ${stream} waits on branch ${branch} of ${table}: ${state}${age} (${request}); ${publish}throw away: tide table discard ${on}`
  })
  for (const note of new Set(notes)) context.note(note)
}

function streamReport(shown: readonly Shown[], nowMs: number): Report {
  return {
    columns: [
      'stream',
      'table',
      'partitions',
      'commit_lag',
      'total_records',
      'last_commit',
      { key: 'age', align: 'right' },
      'snapshot_id',
      'file',
    ],
    wide: ['snapshot_id', 'file'],
    rows: shown.map(({ stream, status }): Row => {
      const { lastSnapshot, partitions } = status
      // A lag says nothing of a stream that cannot go on.
      const lag =
        status.fault === undefined
          ? partitions?.reduce((sum, { commitLag }) => sum + commitLag, 0n)
          : undefined
      const committedMs = lastSnapshot === undefined ? undefined : Number(lastSnapshot.timestampMs)
      return {
        stream: stream.settings.name,
        table: `${formatIdentifier(stream.settings.output.table)}${status.tableExists ? '' : ' (missing)'}`,
        partitions: partitions?.length ?? null,
        commit_lag: lag ?? null,
        total_records: status.totalRecords ?? null,
        last_commit: committedMs === undefined ? null : new Date(committedMs).toISOString(),
        age: committedMs === undefined ? null : formatDuration(Math.max(0, nowMs - committedMs)),
        snapshot_id: lastSnapshot?.snapshotId.toString() ?? null,
        file: stream.file,
      }
    }),
  }
}

function partitionReport(shown: readonly Shown[]): Report {
  return {
    columns: [
      'stream',
      'topic',
      'partition',
      'next_offset',
      'earliest',
      'latest',
      'commit_lag',
      'fault',
    ],
    rows: shown.flatMap(({ stream, status }) =>
      (status.partitions ?? []).map((one): Row => {
        return {
          stream: stream.settings.name,
          topic: one.topic,
          partition: one.partition,
          next_offset: one.nextOffset ?? null,
          earliest: one.earliest,
          latest: one.latest,
          commit_lag: one.fault === undefined ? one.commitLag : null,
          fault: one.fault ?? null,
        }
      }),
    ),
    empty: 'no partitions',
  }
}
