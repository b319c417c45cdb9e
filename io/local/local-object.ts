/**
 * The operations on one object of a local directory, each one retried over the steps of other
 * writers until it has an outcome (version-chain.ts has the argument why they are safe).
 */
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises'
import { UnavailableError, ValidationError, hasCode } from '../../common/index.ts'
import type { WriteResult } from '../file-io.ts'
import { contentId, fileFacts, linkNew } from './durable-file.ts'
import {
  type AppendOutcome,
  type Head,
  appendTombstone,
  appendVersion,
  coverLeftovers,
  resolveHead,
  syncAnchor,
} from './version-chain.ts'

/** Rounds in which other writers may get in the way before we give up; each round is their progress. */
const roundsMax = 1000

export interface OpenHead {
  readonly head: Head
  readonly handle: FileHandle
}

/** Makes the file `temporary` the object, whatever it was before. */
export async function replaceObject(path: string, temporary: string): Promise<WriteResult> {
  const fingerprint = await fingerprintAt(temporary)
  for (let round = 0; round < roundsMax; round++) {
    const head = await resolveHead(path)
    if (head.kind === 'version' || head.kind === 'deleted') {
      // An unconditional write has no outcome to be unsure of: anything but a win is tried again.
      if ((await appendVersion(path, head, temporary)) !== 'won') continue
      return { ok: true, etag: etagText(head.number + 1, fingerprint) }
    }
    await refuseDirectory(path)
    const number = await coverLeftovers(path, temporary)
    await rename(temporary, path)
    await syncAnchor(path)
    return { ok: true, etag: etagText(number, fingerprint) }
  }
  throw busy(path)
}

/** Makes the file `temporary` the object if there is none. */
export async function createObject(path: string, temporary: string): Promise<WriteResult> {
  const fingerprint = await fingerprintAt(temporary)
  for (let round = 0; round < roundsMax; round++) {
    const head = await resolveHead(path)
    if (head.kind === 'plain' || head.kind === 'version') return { ok: false, reason: 'exists' }
    if (head.kind === 'deleted') {
      const outcome = await appendVersion(path, head, temporary)
      if (outcome === 'taken') continue
      return settled(path, outcome, head.number + 1, fingerprint)
    }
    await refuseDirectory(path)
    const number = await coverLeftovers(path, temporary)
    if (!(await linkNew(temporary, path))) continue
    await syncAnchor(path)
    return { ok: true, etag: etagText(number, fingerprint) }
  }
  throw busy(path)
}

/** Makes the file `temporary` the object if its ETag is still `etag`. */
export async function swapObject(
  path: string,
  temporary: string,
  etag: string,
): Promise<WriteResult> {
  const opened = await openHead(path)
  if (opened === undefined) return { ok: false, reason: 'changed' }
  const { head, handle } = opened
  let previous: { anchorId: string; number: number }
  try {
    const { fingerprint } = await fileFacts(handle)
    if (etagOf(head, fingerprint) !== etag) return { ok: false, reason: 'changed' }
    // From the same open file as the fingerprint: the anchor's name may by now mean another file.
    previous = head.kind === 'version' ? head : { anchorId: await contentId(handle), number: 0 }
  } finally {
    await handle.close()
  }
  const fingerprint = await fingerprintAt(temporary)
  const outcome = await appendVersion(path, previous, temporary)
  if (outcome === 'taken') return { ok: false, reason: 'changed' }
  return settled(path, outcome, previous.number + 1, fingerprint)
}

function settled(
  path: string,
  outcome: AppendOutcome,
  number: number,
  fingerprint: string,
): WriteResult {
  if (outcome === 'won') return { ok: true, etag: etagText(number, fingerprint) }
  throw new UnavailableError('the outcome of the conditional write is unknown', {
    facts: { path, number },
  })
}

export async function deleteObject(path: string): Promise<void> {
  for (let round = 0; round < roundsMax; round++) {
    const head = await resolveHead(path)
    if (head.kind === 'missing' || head.kind === 'deleted') return
    if (head.kind === 'version') {
      if ((await appendTombstone(path, head)) === 'won') return
      continue
    }
    try {
      await unlink(path)
      await syncAnchor(path)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    return
  }
  throw busy(path)
}

/** Opens the head's file; a version pruned since the head was read means that there is a newer one. */
export async function openHead(path: string): Promise<OpenHead | undefined> {
  for (let round = 0; round < roundsMax; round++) {
    const head = await resolveHead(path)
    if (head.kind === 'missing' || head.kind === 'deleted') return undefined
    try {
      return { head, handle: await open(head.path, 'r') }
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }
  throw busy(path)
}

async function fingerprintAt(path: string): Promise<string> {
  const handle = await open(path, 'r')
  try {
    return (await fileFacts(handle)).fingerprint
  } finally {
    await handle.close()
  }
}

async function refuseDirectory(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) return
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  throw new ValidationError('a directory stands where the object should go', { facts: { path } })
}

export function etagOf(head: Head, fingerprint: string): string {
  return etagText(head.kind === 'version' ? head.number : 0, fingerprint)
}

function etagText(number: number, fingerprint: string): string {
  return `"${number}-${fingerprint}"`
}

function busy(path: string): UnavailableError {
  return new UnavailableError('other writers keep changing the object', { facts: { path } })
}
