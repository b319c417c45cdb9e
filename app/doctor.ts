/**
 * What `tide doctor` checks: each check reports what it saw and, for a fault, how to repair it. Checks run
 * one after the other, and a failed one does not stop the rest.
 */
import {
  LakeError,
  NotFoundError,
  errorMessage,
  formatDuration,
  randomUuid,
} from '../common/index.ts'
import { type InputSettings, withoutGroup } from '../ingest/settings/index.ts'
import type { RecordSource } from '../ingest/index.ts'
import { locationScheme, openBucketAdmin, parseLocation } from '../io/index.ts'
import { bootstrapBucket, certifyStore, rolePolicy, storeRoles } from '../minio/index.ts'
import type { Lake } from './lake.ts'
import { logBounds } from './log-bounds.ts'
import { type SourceTools, openSource } from './open-source.ts'

export interface DoctorCheck {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly fix?: string
}

/** Above this, times in snapshots and time travel mislead; stores refuse requests at 15 minutes. */
const clockSkewMsMax = 5_000
/** `engines` of package.json. */
const nodeFloor = [20, 19, 0] as const

export function checkNode(version: string): DoctorCheck {
  const parts = version.replace(/^v/, '').split('.').map(Number)
  const floor = nodeFloor.join('.')
  const differing = nodeFloor.findIndex((part, index) => (parts[index] ?? 0) !== part)
  const ok = differing === -1 || (parts[differing] ?? 0) > (nodeFloor[differing] ?? 0)
  const detail = `Node ${version}`
  return ok
    ? { name: 'node', ok, detail }
    : { name: 'node', ok, detail, fix: `install Node ${floor} or newer` }
}

/** The store and the catalog of a lake. `createBucket` creates a missing bucket. */
export async function* checkLake(
  lake: Lake,
  options: { readonly createBucket: boolean; readonly signal?: AbortSignal },
): AsyncGenerator<DoctorCheck> {
  const { warehouse } = lake
  const own = lake.settings.catalog.uri === undefined
  if (own && warehouse !== undefined) {
    const bucket = await guarded('bucket', () => checkBucket(lake, warehouse, options.createBucket))
    yield bucket
    if (!bucket.ok) return
    yield* checkStore(lake, warehouse, options.signal)
    yield await guarded('clock', () => checkClock(lake, warehouse))
  }
  yield await guarded('catalog', () => checkCatalog(lake))
}

/** The broker of a stream: reachable, and the topics are there. Joins no group. */
export async function* checkInput(
  name: string,
  input: InputSettings,
  tools: SourceTools,
): AsyncGenerator<DoctorCheck> {
  const title = `stream ${name}`
  let source: RecordSource | undefined
  try {
    const opened = await openSource(withoutGroup(input), tools)
    source = opened
    await opened.start()
    for (const { topic, partitions } of await logBounds(opened)) {
      const held = partitions.reduce((sum, { latest, earliest }) => sum + (latest - earliest), 0n)
      const detail = `topic ${topic}: ${partitions.length} partitions, ${held} offsets held`
      yield { name: title, ok: true, detail }
    }
  } catch (error) {
    yield failed(title, error, inputFix(input, error))
  } finally {
    await source?.stop().catch(() => undefined)
  }
}

/** File name and text of each role's policy for the warehouse's bucket. */
export function bucketPolicies(
  warehouse: string,
): readonly { readonly file: string; readonly text: string }[] {
  const { authority, path } = parseLocation(warehouse)
  const scope = { bucket: authority, prefix: path }
  return storeRoles.map((role) => ({
    file: `tidewater-${role}.json`,
    text: `${JSON.stringify(rolePolicy(role, scope), undefined, 2)}\n`,
  }))
}

async function checkBucket(
  lake: Lake,
  warehouse: string,
  createBucket: boolean,
): Promise<DoctorCheck> {
  const name = 'bucket'
  const { authority: bucket, path } = parseLocation(warehouse)
  if (locationScheme(warehouse) !== 's3')
    return { name, ok: true, detail: `${warehouse} (no bucket)` }
  const admin = await openBucketAdmin(lake.settings.catalog.s3)
  try {
    if (await admin.exists(bucket)) return { name, ok: true, detail: `${bucket} exists` }
    const fix = `tide doctor --create-bucket, or create ${bucket} with your own tools`
    if (!createBucket) return { name, ok: false, detail: `${bucket} does not exist`, fix }
    const report = await bootstrapBucket(admin, { bucket, prefix: path })
    return { name, ok: true, detail: report.steps.map((step) => step.detail).join('; ') }
  } finally {
    await admin.close()
  }
}

async function* checkStore(
  lake: Lake,
  warehouse: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<DoctorCheck> {
  try {
    const checks = await certifyStore(lake.io, `${warehouse}/_catalog/doctor`, {
      clock: lake.clock,
      random: lake.random,
      ...(signal === undefined ? {} : { signal }),
    })
    for (const check of checks) yield { ...check, name: `store ${check.name}` }
  } catch (error) {
    yield failed('store', error, 'check s3.endpoint and both S3 keys')
  }
}

/** Compares the store's clock, read from an object's time of writing, with ours before and after. */
async function checkClock(lake: Lake, warehouse: string): Promise<DoctorCheck> {
  const name = 'clock'
  const location = `${warehouse}/_catalog/doctor/clock-${randomUuid(lake.random)}`
  const before = lake.clock.now()
  await lake.io.write(location, Buffer.from('clock'))
  const after = lake.clock.now()
  const stored = await lake.io.stat(location)
  await lake.io.delete([location])
  if (stored === undefined) {
    return { name, ok: false, detail: 'a written object is not there', fix: 'use another store' }
  }
  const skewMs = skewOf(stored.modifiedMs, before, after)
  const detail = `this machine and the store differ by ${formatDuration(Math.abs(skewMs))}`
  const ok = Math.abs(skewMs) <= clockSkewMsMax
  return ok ? { name, ok, detail } : { name, ok, detail, fix: 'set both clocks by NTP' }
}

/** Zero when the stored time lies between our two times; stores keep whole seconds. */
export function skewOf(storedMs: number, beforeMs: number, afterMs: number): number {
  const earliest = Math.floor(beforeMs / 1_000) * 1_000
  if (storedMs < earliest) return storedMs - earliest
  return storedMs > afterMs ? storedMs - afterMs : 0
}

async function checkCatalog(lake: Lake): Promise<DoctorCheck> {
  const namespaces = await lake.catalog.listNamespaces()
  const where = lake.settings.catalog.uri ?? lake.warehouse ?? ''
  return { name: 'catalog', ok: true, detail: `${where}: ${namespaces.length} namespaces` }
}

async function guarded(name: string, check: () => Promise<DoctorCheck>): Promise<DoctorCheck> {
  try {
    return await check()
  } catch (error) {
    return failed(
      name,
      error,
      'check catalog.* in tidewater.yaml; tide stream echo shows the effective settings',
    )
  }
}

function failed(name: string, error: unknown, fix: string): DoctorCheck {
  // A bug of ours must be reported as one, not as advice to the user.
  if (!(error instanceof LakeError)) throw error
  return { name, ok: false, detail: errorMessage(error), fix }
}

function inputFix(input: InputSettings, error: unknown): string {
  if (error instanceof NotFoundError) {
    return 'create the topic (tide topic create TOPIC --partitions 4) or correct input.*.topics'
  }
  if (input.kind === 'embedded') return `check the directory ${input.directory}`
  return `check seed_brokers (${input.seedBrokers.join(', ')}); behind Docker or NAT also the broker's advertised.listeners`
}
