/** Estimates the bytes of a row, exactly enough to bound a result. */
import type { ResultRow } from '../session/query-result.ts'
import type { SqlValue } from '../session/values.ts'

export function rowBytes(row: ResultRow): number {
  return row.reduce<number>((sum, value) => sum + valueBytes(value), 0)
}

function valueBytes(value: SqlValue): number {
  if (typeof value === 'string') return value.length + 2
  if (value === null || typeof value !== 'object') return 8
  if (value instanceof Uint8Array) return value.length
  switch (value.kind) {
    case 'decimal':
      return value.text.length
    case 'temporal':
      return value.text.length + value.iso.length
    case 'list':
      return value.items.reduce<number>((sum, item) => sum + valueBytes(item) + 1, 2)
    case 'struct':
      return value.entries.reduce(
        (sum, [name, member]) => sum + name.length + valueBytes(member) + 2,
        2,
      )
    case 'map':
      return value.entries.reduce(
        (sum, [key, member]) => sum + valueBytes(key) + valueBytes(member) + 2,
        2,
      )
    default:
      return value satisfies never
  }
}
