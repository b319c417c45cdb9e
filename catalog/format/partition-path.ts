/**
 * Partition values as people read them, and the folders of data files (`ts_day=2024-01-02`).
 *
 * Readers take the values from manifests, never from folders. The folders are named as Java names them, so that
 * those of several engines look alike.
 */
import { formatDate, formatTimestamp, formatYear } from './calendar.ts'
import { fieldById } from './schema.ts'
import { valueToJson } from './single-value.ts'
import { transformResultType } from './transform.ts'
import type { PartitionSpec, PrimitiveType, Schema, Transform, Value } from './types.ts'

/** `ts_day=2024-01-02/id_bucket=3`; empty for an unpartitioned table. */
export function partitionPath(
  spec: PartitionSpec,
  schema: Schema,
  partition: readonly (Value | null)[],
): string {
  return spec.fields
    .map((field, index) => {
      const sourceType = fieldById(schema, field.sourceId)?.type ?? { type: 'string' }
      const type = transformResultType(field.transform, sourceType)
      const text = formatPartitionValue(field.transform, type, partition[index] ?? null)
      return `${escapePath(field.name)}=${escapePath(text)}`
    })
    .join('/')
}

/** `type` is the result type of the transform. */
export function formatPartitionValue(
  transform: Transform,
  type: PrimitiveType,
  value: Value | null,
): string {
  if (value === null) return 'null'
  const number = Number(typeof value === 'number' ? value : 0)
  switch (transform.kind) {
    case 'year':
      return formatYear(1970 + number)
    case 'month':
      return formatMonth(number)
    case 'day':
      return formatDate(number)
    case 'hour':
      return `${formatDate(Math.floor(number / 24))}-${pad2(((number % 24) + 24) % 24)}`
    case 'identity':
    case 'void':
    case 'bucket':
    case 'truncate':
    case 'unknown':
      return formatValue(type, value)
  }
}

/** A value as text for people: ISO times, base64 bytes. */
export function formatValue(type: PrimitiveType, value: Value): string {
  if (type.type === 'timestamptz') return `${formatTimestamp(value as bigint)}Z`
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return Object.is(value, -0) ? '-0.0' : String(valueToJson(type, value))
}

function formatMonth(months: number): string {
  const year = 1970 + Math.floor(months / 12)
  return `${formatYear(year)}-${pad2((((months % 12) + 12) % 12) + 1)}`
}

function pad2(value: number): string {
  return String(value).padStart(2, '0')
}

/** Form encoding as Java's URLEncoder does it: a space is a plus, `*` stays. */
function escapePath(text: string): string {
  // A lone surrogate has no UTF-8 form; it becomes the replacement character instead of an error.
  return encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'))
    .replaceAll('%20', '+')
    .replace(/[!'()~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}
