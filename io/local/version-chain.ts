/**
 * Compare-and-swap on files without locks: a chain of numbered versions beside the plain file.
 *
 * A process can die holding a lock, and no lock of a file system can be taken from it safely. So
 * nothing here is ever held. An object at `p` is:
 *  - the *anchor*, the plain file `p`: version 0. The object exists only while the anchor does.
 *  - its *versions*, files `p.~cas/<content id of the anchor>-<number>`, each put there by link(2) of
 *    a complete, flushed file. The highest number is the object; a directory in the place of a
 *    version is a tombstone.
 *
 * Why this is safe:
 *  1. Swap n -> n+1 is one link(2) to one name: of all processes exactly one gets it, and a version
 *     is visible whole or not at all, whenever anyone is killed.
 *  2. Numbers grow, the highest is never removed, so no state and no ETag of a chain comes back.
 *  3. Numbers more than 64 below the highest are pruned. A writer that slept so long could link a
 *     pruned number; it looks at the chain afterwards, and if its number is not within 64 of the
 *     highest it cannot tell a genuine win from that, and says the outcome is unknown.
 *  4. Unconditional writes and deletes of an object that was never swapped act on the anchor alone
 *     (rename, unlink). A swap racing with them lands in the chain of an anchor that is gone, where
 *     no reader looks; the writer checks the anchor after its link and reports an unknown outcome.
 *     The chain is keyed by the anchor's content, so the new object does not inherit it; and before
 *     an anchor with the very same content is created, the left-overs are covered by a version with
 *     the new body (see `coverLeftovers`).
 *  5. Once there are versions, delete and unconditional write append to the chain like a swap does.
 */
import { mkdir, readdir, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UnavailableError, hasCode, syncDirectory } from '../../common/index.ts'
import { contentIdAt, linkNew, makeDirectory, unlinkIfPresent } from './durable-file.ts'

export const chainSuffix = '.~cas'
export const versionsKept = 64
const pruneSlack = 16
const numberDigits = 12
const resolveAttemptsMax = 100

/** What an object is at one moment. */
export type Head =
  | { readonly kind: 'missing' }
  /** The anchor itself; it has no versions. */
  | { readonly kind: 'plain'; readonly path: string }
  | {
      readonly kind: 'version' | 'deleted'
      readonly path: string
      readonly anchorId: string
      readonly number: number
    }

interface ChainEntry {
  readonly anchorId: string
  readonly number: number
  readonly isTombstone: boolean
}

/**
 * Finds the head. The anchor is looked at before and after the listing, so that a head is never put
 * together from two lives of the object.
 */
export async function resolveHead(path: string): Promise<Head> {
  for (let attempt = 0; attempt < resolveAttemptsMax; attempt++) {
    const entries = await listChain(path)
    if (entries.length === 0) return (await isFile(path)) ? plain(path) : { kind: 'missing' }
    const anchorId = await anchorIdOf(path)
    if (anchorId === undefined) return { kind: 'missing' }
    const top = highest(await listChain(path), anchorId)
    if ((await anchorIdOf(path)) !== anchorId) continue
    if (top === undefined) return plain(path)
    const kind = top.isTombstone ? 'deleted' : 'version'
    return { kind, path: versionPath(path, anchorId, top.number), anchorId, number: top.number }
  }
  throw new UnavailableError('the object keeps changing', { facts: { path } })
}

/** The place in a chain that a new version follows; number 0 is the anchor. */
export interface ChainPosition {
  readonly anchorId: string
  readonly number: number
}

/** `won`, `taken` by another writer, or `unknown`: linked, but see 3. and 4. above. */
export type AppendOutcome = 'won' | 'taken' | 'unknown'

/** Makes the file `temporary` the version after `previous`. */
export async function appendVersion(
  path: string,
  previous: ChainPosition,
  temporary: string,
): Promise<AppendOutcome> {
  return append(path, previous, (target) => linkNew(temporary, target))
}

/** Makes "deleted" the version after `previous`. */
export async function appendTombstone(
  path: string,
  previous: ChainPosition,
): Promise<AppendOutcome> {
  return append(path, previous, async (target) => {
    try {
      await mkdir(target)
      return true
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    }
  })
}

async function append(
  path: string,
  previous: ChainPosition,
  claim: (target: string) => Promise<boolean>,
): Promise<AppendOutcome> {
  const { anchorId } = previous
  const number = previous.number + 1
  await makeDirectory(chainDirectory(path))
  if (!(await claim(versionPath(path, anchorId, number)))) return 'taken'
  await syncDirectory(chainDirectory(path))
  const entries = await listChain(path)
  const top = highest(entries, anchorId)?.number ?? 0
  if ((await anchorIdOf(path)) !== anchorId || number <= top - versionsKept) return 'unknown'
  await prune(path, anchorId, top, entries)
  return 'won'
}

/**
 * Called before an anchor with the content of `temporary` is created. Versions may be left under
 * that content by a swap that raced with a delete; they would come back to life with the anchor.
 * Returns the number of the covering version, 0 when there was nothing to cover.
 */
export async function coverLeftovers(path: string, temporary: string): Promise<number> {
  for (let attempt = 0; attempt < resolveAttemptsMax; attempt++) {
    const entries = await listChain(path)
    if (entries.length === 0) return 0
    const anchorId = await contentIdAt(temporary)
    const top = highest(entries, anchorId)
    if (top === undefined) return 0
    const number = top.number + 1
    if (!(await linkNew(temporary, versionPath(path, anchorId, number)))) continue
    await syncDirectory(chainDirectory(path))
    return number
  }
  throw new UnavailableError('the object keeps changing', { facts: { path } })
}

async function prune(
  path: string,
  anchorId: string,
  top: number,
  entries: readonly ChainEntry[],
): Promise<void> {
  const mine = entries.filter((entry) => entry.anchorId === anchorId)
  if (mine.length <= versionsKept + pruneSlack) return
  for (const entry of mine.filter(({ number }) => number <= top - versionsKept)) {
    const target = versionPath(path, anchorId, entry.number)
    if (!entry.isTombstone) await unlinkIfPresent(target)
    else await removeTombstone(target)
  }
}

async function removeTombstone(target: string): Promise<void> {
  try {
    await rmdir(target)
  } catch (error) {
    // Another writer pruned it first.
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

async function listChain(path: string): Promise<ChainEntry[]> {
  try {
    const entries = await readdir(chainDirectory(path), { withFileTypes: true })
    return entries.flatMap((entry) => {
      const match = /^([0-9a-f]{24})-(\d+)$/.exec(entry.name)
      if (match === null) return []
      const isTombstone = entry.isDirectory()
      return [{ anchorId: match[1] ?? '', number: Number(match[2]), isTombstone }]
    })
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

function highest(entries: readonly ChainEntry[], anchorId: string): ChainEntry | undefined {
  let top: ChainEntry | undefined
  for (const entry of entries) {
    if (entry.anchorId === anchorId && entry.number > (top?.number ?? 0)) top = entry
  }
  return top
}

async function anchorIdOf(path: string): Promise<string | undefined> {
  try {
    return await contentIdAt(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EISDIR', 'ENOTDIR')) return undefined
    throw error
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

function plain(path: string): Head {
  return { kind: 'plain', path }
}

export function chainDirectory(path: string): string {
  return `${path}${chainSuffix}`
}

function versionPath(path: string, anchorId: string, number: number): string {
  return join(chainDirectory(path), `${anchorId}-${String(number).padStart(numberDigits, '0')}`)
}

/** Makes the name of the anchor itself durable. */
export function syncAnchor(path: string): Promise<void> {
  return syncDirectory(dirname(path))
}
