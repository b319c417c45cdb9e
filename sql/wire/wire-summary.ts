/** The footer of a result in JSON: which state of each table was read, and what it cost. */
import type { Namespace } from '../../catalog/format/index.ts'
import { isJsonObject, type Json, type JsonObject } from '../../common/index.ts'
import type { QuerySummary, TableSummary } from '../session/query-result.ts'

/** Ids and offsets are text: they may be larger than a JSON reader's numbers. */
export function layersJson(tables: readonly TableSummary[]): Json {
  return tables.map((table) => {
    const { live } = table
    return {
      table: table.name,
      snapshotId: table.snapshotId === undefined ? null : String(table.snapshotId),
      filesRead: table.filesRead,
      filesTotal: table.filesTotal,
      bytesRead: String(table.bytesRead),
      ...(live?.offsets === undefined
        ? {}
        : {
            offsets: Object.fromEntries(
              Object.entries(live.offsets).map(([name, offset]) => [name, String(offset)]),
            ),
          }),
      ...(live?.newestRowAgeMs === undefined ? {} : { newestRowAgeMs: live.newestRowAgeMs }),
      ...(live?.newestArrivalAgeMs === undefined
        ? {}
        : { newestArrivalAgeMs: live.newestArrivalAgeMs }),
      ...(live?.gaps === undefined ? {} : { gaps: live.gaps }),
      ...(live === undefined ? {} : { live: true }),
    }
  })
}

export function summaryJson(summary: QuerySummary, usedNamespace: Namespace | undefined): Json {
  return {
    layers: layersJson(summary.tables),
    rows: summary.rowCount,
    bytesFetched: summary.bytesFetched,
    planningMs: summary.planningMs,
    totalMs: summary.totalMs,
    ...(usedNamespace === undefined ? {} : { usedNamespace }),
  }
}

export interface WireSummary {
  readonly summary: QuerySummary
  readonly usedNamespace: Namespace | undefined
}

export function readSummary(json: JsonObject): WireSummary {
  const layers = Array.isArray(json['layers']) ? (json['layers'] as readonly Json[]) : []
  const namespace = json['usedNamespace']
  return {
    summary: {
      tables: layers.filter(isJsonObject).map(readTable),
      rowCount: Number(json['rows'] ?? 0),
      bytesFetched: Number(json['bytesFetched'] ?? 0),
      planningMs: Number(json['planningMs'] ?? 0),
      totalMs: Number(json['totalMs'] ?? 0),
    },
    usedNamespace: Array.isArray(namespace)
      ? (namespace as readonly Json[]).map(String)
      : undefined,
  }
}

function readTable(layer: JsonObject): TableSummary {
  const { gaps, offsets, newestArrivalAgeMs, newestRowAgeMs, snapshotId } = layer as {
    readonly gaps?: Json
    readonly newestArrivalAgeMs?: Json
    readonly offsets?: Json
    readonly newestRowAgeMs?: Json
    readonly snapshotId?: Json
  }
  const live = {
    ...(isJsonObject(offsets)
      ? {
          offsets: Object.fromEntries(
            Object.entries(offsets).map(([name, offset]) => [name, BigInt(String(offset))]),
          ),
        }
      : {}),
    ...(newestRowAgeMs === undefined ? {} : { newestRowAgeMs: Number(newestRowAgeMs) }),
    ...(newestArrivalAgeMs === undefined ? {} : { newestArrivalAgeMs: Number(newestArrivalAgeMs) }),
    ...(Array.isArray(gaps) ? { gaps: (gaps as readonly Json[]).map(String) } : {}),
  }
  return {
    name: String(layer['table']),
    snapshotId: typeof snapshotId === 'string' ? BigInt(snapshotId) : undefined,
    filesRead: Number(layer['filesRead'] ?? 0),
    filesTotal: Number(layer['filesTotal'] ?? 0),
    bytesRead: BigInt(String(layer['bytesRead'] ?? 0)),
    ...(layer['live'] === true ? { live } : {}),
  }
}
