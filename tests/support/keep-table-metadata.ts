/**
 * Before each test file: keeps the last metadata of every table that it writes or reads, for Iceberg's own Java parser
 * to load at the end of `npm test` (tests/support/judge-table-metadata.ts). Without TIDEWATER_TABLE_METADATA,
 * the folder for it, nothing is kept.
 */
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, expect } from 'vitest'
import type { TableMetadataEvent } from '../../catalog/stores/metadata-files.ts'
import { environment } from '../../common/environment.ts'
import { repositoryRoot } from './services/paths.ts'

const folder = environment('TIDEWATER_TABLE_METADATA')

if (folder !== undefined) {
  /** By table: its metadata with the highest version that was seen. */
  const last = new Map<string, TableMetadataEvent>()
  subscribe('tidewater:table-metadata', (message) => {
    const event = message as TableMetadataEvent
    const table = `${event.metadata.tableUuid} ${event.metadata.location}`
    const before = last.get(table)
    if (before === undefined || !isOlder(event, before)) last.set(table, event)
  })
  afterAll(async () => {
    if (last.size === 0) return
    // Loaded only here: most unit tests touch no table.
    const { tableMetadataToJson } = await import('../../catalog/format/table-metadata-json.ts')
    const { stringifyJson } = await import('../../common/json.ts')
    const test = relative(repositoryRoot, expect.getState().testPath ?? 'unknown')
    const lines = [...last.values()].map(
      ({ location, metadata }) =>
        `${test}\t${location}\t${stringifyJson(tableMetadataToJson(metadata))}\n`,
    )
    appendFileSync(join(folder, `${process.pid}.tsv`), lines.join(''))
  })
}

function isOlder(event: TableMetadataEvent, than: TableMetadataEvent): boolean {
  const [left, right] = [event.metadata, than.metadata]
  if (left.lastSequenceNumber !== right.lastSequenceNumber) {
    return left.lastSequenceNumber < right.lastSequenceNumber
  }
  return left.lastUpdatedMs < right.lastUpdatedMs
}
