/** The check that goes before every commit of a process: does the store keep conditional writes? */
import { probeStore, refuseUnsafeStore } from '../minio/index.ts'
import type { Lake } from './lake.ts'

/**
 * Three requests. Throws UnsupportedError for a store that would lose commits, NotFoundError for a
 * missing bucket. Behind a REST catalog the store's promises are its server's business.
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
