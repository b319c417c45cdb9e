/**
 * A stream whose `output.iceberg.branch` was changed: what it has written to another branch of its table is not
 * on the one that it writes to now, so it would read those records again (docs/spec/exactly-once.md, E10).
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import { offsetsPropertyKey, type Table } from '../../catalog/index.ts'
import { LakeError, type Logger } from '../../common/index.ts'
import { restoreOffsets } from './checkpoint.ts'
import { nextOffsetOf, parseOffsetMap, type StreamOffsets } from './offset-map.ts'

/** Going on would put records into the table that another branch of it has already. */
class OtherBranchError extends LakeError {
  readonly code = 'other-branch'
}

/** A branch that holds records of the stream which `branch` lacks. */
interface BranchAhead {
  readonly branch: string
  readonly offsets: StreamOffsets
}

/** Says which branches are ahead. Throws OtherBranchError. */
export function noteOtherBranches(
  logger: Logger,
  table: Table,
  branch: string,
  stream: string,
): void {
  for (const { branch: other } of checkOtherBranches(table, branch, stream)) {
    logger.warn('stream.branch-ahead', {
      stream,
      branch,
      other,
      reason: `${other} holds records of the stream that ${branch} gets only now; publish or discard it`,
    })
  }
}

/**
 * The branches that the stream has written beyond `branch`; those of replays read what it has anyway. Throws
 * OtherBranchError where `branch` has no offsets of the stream at all.
 */
function checkOtherBranches(table: Table, branch: string, stream: string): readonly BranchAhead[] {
  const { properties } = table.metadata
  if (Object.hasOwn(properties, replayPropertyKey(branch))) return []
  const own = restoreOffsets(table, branch).get(stream)
  const ahead = branchesAhead(table, branch, stream, own)
  const [first] = ahead
  if (own !== undefined || first === undefined) return ahead
  const name = formatIdentifier(table.identifier)
  throw new OtherBranchError(
    `the stream has filled branch ${first.branch} of its table, and ${branch} holds nothing of that: every record ` +
      `would be read again. To go on from there, publish it (tide table publish ${name} --branch ${first.branch}) or ` +
      `write to it (output.iceberg.branch: ${first.branch}); to read all again, remove it ` +
      `(tide table discard ${name} --branch ${first.branch} --execute)`,
    { facts: { table: name, stream, branch, other: first.branch } },
  )
}

/** Property of a branch that a replay made. */
export function replayPropertyKey(branch: string): string {
  return `tidewater.replay.${branch}`
}

function branchesAhead(
  { identifier, metadata }: Table,
  branch: string,
  stream: string,
  own: StreamOffsets | undefined,
): readonly BranchAhead[] {
  const { properties, refs } = metadata
  const prefix = offsetsPropertyKey('')
  return Object.entries(properties).flatMap(([key, text]) => {
    const other = key.startsWith(prefix) ? key.slice(prefix.length) : branch
    const isReplay = Object.hasOwn(properties, replayPropertyKey(other))
    if (other === branch || isReplay || !Object.hasOwn(refs, other)) return []
    const where = `${formatIdentifier(identifier)} property ${key}`
    const offsets = parseOffsetMap(text, where).get(stream)
    return offsets !== undefined && isAhead(offsets, own) ? [{ branch: other, offsets }] : []
  })
}

function isAhead({ topics }: StreamOffsets, own: StreamOffsets | undefined): boolean {
  return [...topics].some(([topic, { nextOffsets }]) =>
    [...nextOffsets].some(
      ([partition, next]) => next > (nextOffsetOf(own, { topic, partition }) ?? -1n),
    ),
  )
}
