/**
 * Partition values as people read them, and the folders of data files (`ts_day=2024-01-02`).
 *
 * Readers take the values from manifests, never from folders. The folders are named as Java names them, so that
 * those of several engines look alike; only where a file system or a store could not hold the name it is cut,
 * and ends with a hash.
 */
import { createHash } from 'node:crypto'
import { formatDate, formatTimestamp, formatYear } from './calendar.ts'
import { fieldById } from './schema.ts'
import { valueToJson } from './single-value.ts'
import { transformResultType } from './transform.ts'
import type { PartitionSpec, PrimitiveType, Schema, Transform, Value } from './types.ts'

/** File systems allow 255 bytes for a name, some that encrypt it 143. */
const folderBytesMax = 128
/** Cut names shorter than this would not help anyone. */
const folderBytesMin = 32
const hashDigits = 16

/** `ts_day=2024-01-02/id_bucket=3`; empty for an unpartitioned table. */
export function partitionPath(
  spec: PartitionSpec,
  schema: Schema,
  partition: readonly (Value | null)[],
): string {
  return folders(spec, schema, partition).join('/')
}

/** The same with names that any store takes, `bytesMax` long at most; empty also where nothing fits. */
export function partitionFolder(
  spec: PartitionSpec,
  schema: Schema,
  partition: readonly (Value | null)[],
  bytesMax: number,
): string {
  const full = folders(spec, schema, partition)
  const names = full.map((name) => shortened(name, folderBytesMax))
  const path = names.join('/')
  if (path.length <= bytesMax) return path
  const share = Math.floor(bytesMax / names.length) - 1
  if (share >= folderBytesMin) return full.map((name) => shortened(name, share)).join('/')
  const hash = `partition=${hashOf(full.join('/'))}`
  return hash.length <= bytesMax ? hash : ''
}

function folders(
  spec: PartitionSpec,
  schema: Schema,
  partition: readonly (Value | null)[],
): readonly string[] {
  return spec.fields.map((field, index) => {
    const sourceType = fieldById(schema, field.sourceId)?.type ?? { type: 'string' }
    const type = transformResultType(field.transform, sourceType)
    const text = formatPartitionValue(field.transform, type, partition[index] ?? null)
    return `${escapePath(field.name)}=${escapePath(text)}`
  })
}

/** Escaped names are ASCII, so that a character is a byte. */
function shortened(name: string, bytesMax: number): string {
  if (name.length <= bytesMax) return name
  // No half of an escape such as %C3 stays at the end.
  const start = name.slice(0, bytesMax - hashDigits - 1).replace(/%[\dA-F]?$/, '')
  return `${start}.${hashOf(name)}`
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, hashDigits)
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
