/** Checks, before a process commits anything, that the store honours conditional writes. */
import { probeStore, refuseUnsafeStore } from '../minio/index.ts'
import type { Lake } from './lake.ts'

/**
 * Three requests. Throws UnsupportedError for a store that would lose commits, NotFoundError for a
 * missing bucket. Behind a REST catalog the server answers for the store, so nothing is checked.
 */
export async function requireSafeStore(lake: Lake): Promise<void> {
  const { settings, warehouse } = lake
  if (settings.catalog.uri !== undefined || warehouse === undefined) return
  const checks = await probeStore(lake.io, `${warehouse}/_catalog/doctor`, {
    clock: lake.clock,
    random: lake.random,
  })
  refuseUnsafeStore(checks, warehouse)
}
