/** `tide table expire-snapshots`: Iceberg's procedure of that name. */
import type { Command } from 'commander'
import { requireSafeStore } from '../../../app/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import { describeLeft, expireSnapshots } from '../../../catalog/index.ts'
import { parseDuration } from '../../../common/index.ts'
import { collect } from '../../frame/collect.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { tableVerb } from './table-verb.ts'

interface ExpireFlags {
  readonly olderThan?: string
  readonly retainLast?: string
  readonly snapshotId?: readonly string[]
  readonly dryRun?: boolean
}

export function addExpireSnapshots(table: Command, context: CliContext): void {
  tableVerb(table, 'expire-snapshots')
    .description('expire old snapshots and delete the files that only they need')
    .option('--older-than <age>', "an age such as 5d, or a time; default: the table's own, 5d")
    .option('--retain-last <number>', "keep that many on each branch; default: the table's own, 1")
    .option('--snapshot-id <id>', 'this one, whatever its age; repeatable', collect)
    .option('--dry-run', 'show what would be removed and change nothing')
    .action((name: string, flags: ExpireFlags) => expireTableSnapshots(context, name, flags))
}

async function expireTableSnapshots(
  context: CliContext,
  name: string,
  flags: ExpireFlags,
): Promise<void> {
  const { olderThan, retainLast, snapshotId } = flags
  const olderThanMs = olderThan === undefined ? undefined : timeOf(olderThan, context.clock.now())
  const request = {
    dryRun: flags.dryRun === true,
    ...(olderThanMs === undefined ? {} : { olderThanMs: BigInt(olderThanMs) }),
    ...(retainLast === undefined ? {} : { retainLast: countOf('--retain-last', retainLast) }),
    ...(snapshotId === undefined ? {} : { snapshotIds: snapshotId.map(snapshotIdOf) }),
  }
  const lake = await context.openLake()
  await requireSafeStore(lake)
  const tools = { ...lake, signal: context.signal }
  const { left, refs, schemaIds, snapshotIds, unreachable } = await expireSnapshots(
    lake.catalog,
    parseTableName(name),
    tools,
    request,
  )
  await context.printRecord({
    dry_run: request.dryRun,
    expired_snapshots: snapshotIds.length,
    expired_refs: refs.length,
    removed_schemas: schemaIds.length,
    deleted_data_and_delete_files: unreachable.files.length,
    deleted_manifest_files: unreachable.manifests.length,
    deleted_manifest_lists: unreachable.manifestLists.length,
    deleted_statistics_files: unreachable.statistics.length,
    files_left: left.length,
  })
  if (left.length > 0) context.note(describeLeft(left))
}

/** An age before now, or a moment. */
function timeOf(text: string, nowMs: number): number {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return nowMs - parseDuration(text)
  // A time without a zone is UTC, as everywhere here.
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/.test(text) || text.length === 10
  const ms = Date.parse(hasZone ? text : `${text.replace(' ', 'T')}Z`)
  if (!Number.isNaN(ms)) return ms
  throw new UsageError(
    `--older-than takes an age such as 5d or a time such as 2026-01-31T12:00:00Z, found "${text}"`,
  )
}

function countOf(flag: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new UsageError(`${flag} takes a whole number from 1, found "${text}"`)
  }
  return Number(text)
}

function snapshotIdOf(text: string): bigint {
  if (!/^-?\d{1,19}$/.test(text)) {
    throw new UsageError(`--snapshot-id takes the number of a snapshot, found "${text}"`)
  }
  return BigInt(text)
}
