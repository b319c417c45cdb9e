/**
 * Statistics files of snapshots, which stay as JSON because Tidewater reads none of them (spec, "Table Statistics",
 * "Partition Statistics").
 */
import { asBigint, isJsonObject, type Json, type JsonObject } from '../../common/index.ts'
import type { TableMetadata } from '../format/types.ts'

type StatisticsField = 'statistics' | 'partition-statistics'

export function putStatistics(
  metadata: TableMetadata,
  field: StatisticsField,
  statistics: JsonObject,
): TableMetadata {
  const snapshotId = asBigint(statistics['snapshot-id'], `${field}.snapshot-id`)
  const without = dropStatistics(metadata, field, new Set([snapshotId]))
  return withStatistics(without, field, [...statisticsOf(without, field), statistics])
}

export function dropStatistics(
  metadata: TableMetadata,
  field: StatisticsField,
  snapshotIds: ReadonlySet<bigint>,
): TableMetadata {
  const all = statisticsOf(metadata, field)
  const kept = all.filter(
    (item) =>
      !isJsonObject(item) ||
      !snapshotIds.has(asBigint(item['snapshot-id'], `${field}.snapshot-id`)),
  )
  return kept.length === all.length ? metadata : withStatistics(metadata, field, kept)
}

function statisticsOf(metadata: TableMetadata, field: StatisticsField): readonly Json[] {
  const items = metadata.unknownFields?.[field]
  return Array.isArray(items) ? (items as readonly Json[]) : []
}

function withStatistics(
  metadata: TableMetadata,
  field: StatisticsField,
  items: readonly Json[],
): TableMetadata {
  return { ...metadata, unknownFields: { ...metadata.unknownFields, [field]: items } }
}
