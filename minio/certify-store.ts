/**
 * Whether a store keeps the promises that commits stand on (failures.md, "At start probe the store").
 *
 * Stores have ignored conditions in silence: an old server, a gateway that drops headers, a check
 * that is not atomic with its write. Each of them loses commits, so such a store is refused before
 * the first record is read. `probeStore` asks three questions and runs at every start;
 * `certifyStore` also lets writers race and runs in `tide doctor`.
 *
 * An answer that is no answer (time-out, 5xx, refused keys) says nothing about the store's promises
 * and is thrown, except in the races, where it is settled by looking at what was stored.
 */
import {
  AccessDeniedError,
  type Clock,
  type Random,
  UnavailableError,
  UnsupportedError,
  randomUuid,
  systemClock,
  systemRandom,
} from '../common/index.ts'
import type { FileIO, WriteCondition, WriteResult } from '../io/index.ts'

export interface StoreCheck {
  readonly name: string
  readonly ok: boolean
  /** What was seen. */
  readonly detail: string
  /** What to do about a failed check. */
  readonly fix?: string
}

export interface CertifyOptions {
  readonly clock?: Clock
  readonly random?: Random
  /** Writers in a race. */
  readonly writers?: number
  /** Rounds of each race. */
  readonly rounds?: number
  readonly signal?: AbortSignal
}

interface Certification {
  readonly io: FileIO
  /** Ends with a slash. */
  readonly prefix: string
  readonly clock: Clock
  readonly random: Random
  readonly writers: number
  readonly rounds: number
  readonly signal: AbortSignal | undefined
  readonly used: Set<string>
}

const fix =
  'use a store with atomic conditional writes (aws s3, minio of 2025-06 or later) and reach it ' +
  'without a gateway that drops the If-Match and If-None-Match headers'

/** No store gives this ETag, though it looks like one. */
const wrongEtag = '"00000000000000000000000000000000"'

/**
 * Three requests (four on the very first start): create-once, stale ETag, missing key. Needs no right
 * to delete: it works on one small object that stays.
 */
export async function probeStore(
  io: FileIO,
  prefix: string,
  options: CertifyOptions = {},
): Promise<readonly StoreCheck[]> {
  const run = begin(io, prefix, options)
  const anchor = `${run.prefix}probe`
  // The object may be there from an earlier start; if we created it, a second time must lose.
  const first = await attempt(run, anchor, 'probe', { kind: 'if-absent' })
  const second = isWin(first) ? await attempt(run, anchor, 'probe', { kind: 'if-absent' }) : first
  return [
    expectRefusal('create-once', second, 'exists', 'a second create-if-absent of the same key'),
    await checkStaleEtag(run, anchor),
    await checkMissingKey(run),
  ]
}

/** The probe on fresh keys, the way of a plain commit, and the races. */
export async function certifyStore(
  io: FileIO,
  prefix: string,
  options: CertifyOptions = {},
): Promise<readonly StoreCheck[]> {
  const run = begin(io, prefix, options)
  try {
    const checks = await runChecks(run)
    return [...checks, await cleanUp(run)]
  } catch (error) {
    // The error in hand says more than a clean-up that fails for the same reason.
    await cleanUp(run).catch(() => undefined)
    throw error
  }
}

async function runChecks(run: Certification): Promise<StoreCheck[]> {
  const key = freshKey(run)
  const created = await checkCreate(run, key)
  // Without a first object there is nothing that the other checks could work on.
  if ((await run.io.stat(key)) === undefined) return [created]
  return [
    created,
    await checkStaleEtag(run, key),
    await checkMissingKey(run),
    await checkSwap(run, key),
    await raceCreates(run),
    await raceSwaps(run),
  ]
}

/** Throws when a check failed: with such a store nothing may be committed. */
export function refuseUnsafeStore(checks: readonly StoreCheck[], warehouse: string): void {
  const failed = checks.filter((check) => !check.ok)
  if (failed.length === 0) return
  const seen = failed.map((check) => `${check.name} (${check.detail})`).join('; ')
  throw new UnsupportedError(
    `this store would lose commits, it does not keep conditional writes: ${seen}. ${fix}`,
    { facts: { warehouse } },
  )
}

async function checkCreate(run: Certification, key: string): Promise<StoreCheck> {
  const first = await attempt(run, key, 'first', { kind: 'if-absent' })
  if (!isWin(first)) {
    return failure('create-once', `creating a new key gave ${describeOutcome(first)}`)
  }
  const second = await attempt(run, key, 'second', { kind: 'if-absent' })
  const check = expectRefusal(
    'create-once',
    second,
    'exists',
    'a second create-if-absent of the same key',
  )
  const stored = await readText(run, key)
  if (!check.ok || stored === 'first') return check
  return failure('create-once', `the first body did not stand, found ${JSON.stringify(stored)}`)
}

async function checkStaleEtag(run: Certification, key: string): Promise<StoreCheck> {
  const outcome = await attempt(run, key, 'stale', { kind: 'if-match', etag: wrongEtag })
  return expectRefusal('stale-etag', outcome, 'changed', 'if-match with a wrong etag')
}

async function checkMissingKey(run: Certification): Promise<StoreCheck> {
  const key = freshKey(run)
  const outcome = await attempt(run, key, 'ghost', { kind: 'if-match', etag: wrongEtag })
  return expectRefusal('missing-key', outcome, 'changed', 'if-match on a key that does not exist')
}

/** An honest swap wins, is read back at once, and makes its own base stale. */
async function checkSwap(run: Certification, key: string): Promise<StoreCheck> {
  const name = 'swap'
  const startedMs = run.clock.monotonic()
  const etag = await currentEtag(run, key)
  if (etag === undefined) return failure(name, 'an object that was confirmed is not there')
  const won = await attempt(run, key, 'swapped', { kind: 'if-match', etag })
  const tookMs = (run.clock.monotonic() - startedMs).toFixed(1)
  if (!isWin(won))
    return failure(name, `if-match with the current etag gave ${describeOutcome(won)}`)
  if ((await currentEtag(run, key)) === undefined) return failure(name, 'the swapped key vanished')
  const after = await run.io.readObject(key)
  const text = Buffer.from(after.body).toString()
  if (text !== 'swapped') {
    return failure(name, `a read after the swap shows the body from before: ${text}`)
  }
  if (after.etag === etag) return failure(name, `the etag did not change with the body: ${etag}`)
  const again = await attempt(run, key, 'again', { kind: 'if-match', etag })
  const check = expectRefusal(name, again, 'changed', 'if-match with the etag from before the swap')
  return check.ok ? { name, ok: true, detail: `read and swap took ${tookMs} ms` } : check
}

async function raceCreates(run: Certification): Promise<StoreCheck> {
  return race(run, 'create-race', async () => ({
    key: freshKey(run),
    condition: { kind: 'if-absent' },
  }))
}

async function raceSwaps(run: Certification): Promise<StoreCheck> {
  const key = freshKey(run)
  await attempt(run, key, 'start', { kind: 'if-absent' })
  return race(run, 'swap-race', async () => {
    const etag = await currentEtag(run, key)
    return etag === undefined ? undefined : { key, condition: { kind: 'if-match', etag } }
  })
}

interface Round {
  readonly key: string
  readonly condition: WriteCondition
}

/** In each round all writers want the same thing under one condition: exactly one may get it. */
async function race(
  run: Certification,
  name: string,
  nextRound: () => Promise<Round | undefined>,
): Promise<StoreCheck> {
  let unknown = 0
  for (let round = 1; round <= run.rounds; round++) {
    run.signal?.throwIfAborted()
    const next = await nextRound()
    if (next === undefined) return failure(name, 'an object that was confirmed is not there')
    const { key, condition } = next
    const bodies = Array.from({ length: run.writers }, (_, n) => `${name} ${round} writer ${n}`)
    const outcomes = await Promise.all(
      bodies.map((body) => attemptInRace(run, key, body, condition)),
    )
    const winners = bodies.filter((_, n) => isWin(outcomes[n]))
    const unsure = bodies.filter((_, n) => outcomes[n] === 'unknown')
    unknown += unsure.length
    const stored = await readText(run, key)
    const where = `round ${round} of ${run.rounds}, ${run.writers} writers`
    if (winners.length > 1) {
      return failure(name, `${winners.length} writers were answered that they won in ${where}`)
    }
    // Where one writer won, its body must be there; without a winner, the body of a writer with an unknown outcome.
    const candidates = winners.length === 1 ? winners : unsure
    if (!candidates.includes(stored ?? '')) {
      const expected = winners.length === 1 ? "the winner's body" : 'the body of a writer in doubt'
      return failure(
        name,
        `${JSON.stringify(stored)} was stored instead of ${expected} in ${where}`,
      )
    }
  }
  const doubts = unknown === 0 ? '' : `, ${unknown} answers lost and settled by reading`
  const detail = `exactly one of ${run.writers} writers won in each of ${run.rounds} rounds${doubts}`
  return { name, ok: true, detail }
}

async function cleanUp(run: Certification): Promise<StoreCheck> {
  const name = 'clean-up'
  const keys = [...run.used]
  try {
    await run.io.delete(keys)
    return { name, ok: true, detail: `${keys.length} test objects deleted` }
  } catch (error) {
    if (!(error instanceof AccessDeniedError)) throw error
    const where = `${keys.length} small objects stay below ${run.prefix}`
    return { name, ok: true, detail: `these keys may not delete, which is well: ${where}` }
  }
}

/** `unsupported`: the store says that it does not know the condition. */
type Outcome = WriteResult | 'unsupported' | 'unknown'

async function attempt(
  run: Certification,
  key: string,
  body: string,
  condition: WriteCondition,
): Promise<Outcome> {
  run.signal?.throwIfAborted()
  run.used.add(key)
  try {
    return await run.io.write(key, Buffer.from(body), condition)
  } catch (error) {
    if (error instanceof UnsupportedError) return 'unsupported'
    throw error
  }
}

async function attemptInRace(
  run: Certification,
  key: string,
  body: string,
  condition: WriteCondition,
): Promise<Outcome> {
  try {
    return await attempt(run, key, body, condition)
  } catch (error) {
    if (error instanceof UnavailableError) return 'unknown'
    throw error
  }
}

function begin(io: FileIO, prefix: string, options: CertifyOptions): Certification {
  return {
    io,
    prefix: prefix.endsWith('/') ? prefix : `${prefix}/`,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    writers: options.writers ?? 8,
    rounds: options.rounds ?? 20,
    signal: options.signal,
    used: new Set(),
  }
}

function freshKey(run: Certification): string {
  return `${run.prefix}certify-${randomUuid(run.random)}`
}

async function currentEtag(run: Certification, key: string): Promise<string | undefined> {
  return (await run.io.stat(key))?.etag
}

async function readText(run: Certification, key: string): Promise<string | undefined> {
  if ((await run.io.stat(key)) === undefined) return undefined
  return Buffer.from(await run.io.read(key)).toString()
}

function isWin(outcome: Outcome | undefined): boolean {
  return typeof outcome === 'object' && outcome.ok
}

function expectRefusal(
  name: string,
  outcome: Outcome,
  expected: 'exists' | 'changed',
  question: string,
): StoreCheck {
  if (typeof outcome === 'object' && !outcome.ok && outcome.reason === expected) {
    return { name, ok: true, detail: `${question} was refused` }
  }
  return failure(name, `${question} gave ${describeOutcome(outcome)}`)
}

function describeOutcome(outcome: Outcome): string {
  if (outcome === 'unsupported') return 'the answer that the store does not know conditions'
  if (outcome === 'unknown') return 'no answer'
  return outcome.ok ? 'success' : `the answer "${outcome.reason}"`
}

function failure(name: string, detail: string): StoreCheck {
  return { name, ok: false, detail, fix }
}
