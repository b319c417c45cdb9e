/**
 * Renaming a table across two pointer objects. A rename that crashes at any step is finished or undone by the
 * next reader of either pointer.
 *
 *     source                         target                       seen by readers as
 *   0 table                          missing or tombstone         source
 *   1 table + rename-to              missing or tombstone         source
 *   2 table + rename-to              table + rename-from          source
 *   3 tombstone + rename-to          table + rename-from          target   <- the swap that decides
 *   4 tombstone + rename-to          table                        target
 *   5 tombstone                      table                        target
 *
 * Step 3 is the rename: its commit id is the intent's id, so the source's trace shows
 * afterwards whether it happened. Undone (the target is taken): the source's intent is removed, which makes step
 * 3 impossible; a target already at step 2 becomes a tombstone again. Between 1 and 5 no process writes
 * either pointer without settling the intent first, so no commit can fall between the two names.
 */
import { type TableIdentifier, formatIdentifier } from '../format/identifiers.ts'
import { type RetryPolicy, UnavailableError } from '../../common/index.ts'
import type { SwapObject, SwapState } from './swap-object.ts'
import type { PointerIntent, RenameToIntent, TablePointer } from './table-pointer.ts'

type State = SwapState<TablePointer>

export interface RenameTools {
  readonly pointers: SwapObject<TablePointer>
  readonly locationOf: (identifier: TableIdentifier) => string
  readonly policy: RetryPolicy
}

/** Other processes may take the same steps; in each round one of them made progress. */
const roundsMax = 50

/** Finishes or undoes the rename that `pointer` is part of. */
export async function settleRename(tools: RenameTools, pointer: TablePointer): Promise<void> {
  const { intent } = pointer
  if (intent === undefined) return
  const [source, target] =
    intent.kind === 'rename-to'
      ? [pointer.identifier, intent.to]
      : [intent.from, pointer.identifier]
  for (let round = 0; round < roundsMax; round++) {
    if (await stepRename(tools, source, target, intent)) return
  }
  throw new UnavailableError('a rename could not be settled', {
    facts: { from: formatIdentifier(source), to: formatIdentifier(target), intent: intent.id },
  })
}

/** One step towards the end; true when the end is reached. */
async function stepRename(
  tools: RenameTools,
  sourceId: TableIdentifier,
  targetId: TableIdentifier,
  { id }: PointerIntent,
): Promise<boolean> {
  // The source is read first: a target entry seen later cannot belong to a future of this source.
  const source = await tools.pointers.read(tools.locationOf(sourceId))
  const target = await tools.pointers.read(tools.locationOf(targetId))
  const intent = source?.payload.intent
  const targetIsOurs = target?.payload.intent?.id === id
  if (source === undefined || intent?.kind !== 'rename-to' || intent.id !== id) {
    // A finished rename keeps its intent in the source until the target is clean, so a target
    // that still waits belongs to one that was undone.
    if (target === undefined || !targetIsOurs) return true
    return replace(tools, target, { ...withoutIntent(target.payload), dropped: true })
  }
  if (source.payload.dropped) {
    if (target !== undefined && targetIsOurs) {
      await replace(tools, target, withoutIntent(target.payload))
      return false
    }
    return replace(tools, source, withoutIntent(source.payload))
  }
  if (targetIsOurs) {
    await replace(tools, source, { ...source.payload, dropped: true }, id)
    return false
  }
  await claimTarget(tools, source, intent, target)
  return false
}

/** Step 2, or the undoing of step 1 when the target is taken. */
async function claimTarget(
  tools: RenameTools,
  source: State,
  intent: RenameToIntent,
  target: State | undefined,
): Promise<void> {
  const other = target?.payload
  if (other?.intent !== undefined && (other.dropped || other.intent.kind === 'rename-from')) {
    // Another rename has not finished with that name; its end decides whether the name is free.
    await settleRename(tools, other)
    return
  }
  if (other !== undefined && !other.dropped) {
    await replace(tools, source, withoutIntent(source.payload))
    return
  }
  await tools.pointers.swap({
    location: tools.locationOf(intent.to),
    base: target,
    payload: {
      ...source.payload,
      identifier: intent.to,
      intent: { kind: 'rename-from', id: intent.id, from: source.payload.identifier },
    },
    policy: tools.policy,
  })
}

async function replace(
  tools: RenameTools,
  base: State,
  payload: TablePointer,
  commitId?: string,
): Promise<boolean> {
  const outcome = await tools.pointers.swap({
    location: tools.locationOf(base.payload.identifier),
    base,
    payload,
    policy: tools.policy,
    ...(commitId === undefined ? {} : { commitId }),
  })
  return outcome.kind === 'won'
}

function withoutIntent(pointer: TablePointer): TablePointer {
  const { intent: _, ...rest } = pointer
  return rest
}
