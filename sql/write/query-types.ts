/**
 * The Iceberg type that keeps every value of a column of a query's result (spec, "Schemas and Data
 * Types"). What has no such type is refused by name with the cast that helps.
 */
import {
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
} from '@duckdb/node-api'
import type { NestedField, PrimitiveType, Type } from '../../catalog/format/index.ts'
import { UnsupportedError } from '../../common/index.ts'

type SimpleTypeName = Exclude<PrimitiveType['type'], 'decimal' | 'fixed'>

/** Integers wider than 64 bits (as `sum` gives them) become long; a value beyond it fails the write. */
const simple: Readonly<Partial<Record<DuckDBTypeId, SimpleTypeName>>> = {
  [DuckDBTypeId.BOOLEAN]: 'boolean',
  [DuckDBTypeId.TINYINT]: 'int',
  [DuckDBTypeId.SMALLINT]: 'int',
  [DuckDBTypeId.INTEGER]: 'int',
  [DuckDBTypeId.UTINYINT]: 'int',
  [DuckDBTypeId.USMALLINT]: 'int',
  [DuckDBTypeId.UINTEGER]: 'long',
  [DuckDBTypeId.BIGINT]: 'long',
  [DuckDBTypeId.UBIGINT]: 'long',
  [DuckDBTypeId.HUGEINT]: 'long',
  [DuckDBTypeId.UHUGEINT]: 'long',
  [DuckDBTypeId.FLOAT]: 'float',
  [DuckDBTypeId.DOUBLE]: 'double',
  [DuckDBTypeId.VARCHAR]: 'string',
  [DuckDBTypeId.ENUM]: 'string',
  [DuckDBTypeId.BLOB]: 'binary',
  [DuckDBTypeId.UUID]: 'uuid',
  [DuckDBTypeId.DATE]: 'date',
  [DuckDBTypeId.TIME]: 'time',
  [DuckDBTypeId.TIMESTAMP]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_S]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_MS]: 'timestamp',
  [DuckDBTypeId.TIMESTAMP_TZ]: 'timestamptz',
}

const advice: Readonly<Partial<Record<DuckDBTypeId, string>>> = {
  [DuckDBTypeId.SQLNULL]: 'only NULL: give it a type, such as NULL::VARCHAR',
  [DuckDBTypeId.INTERVAL]: 'an interval: store a number of seconds, such as epoch(x)',
  [DuckDBTypeId.TIMESTAMP_NS]: 'nanoseconds, which are cut to microseconds by x::TIMESTAMP',
  [DuckDBTypeId.TIME_TZ]: 'a time with a zone: store x::TIME',
  [DuckDBTypeId.BIT]: 'a bit string: store x::VARCHAR',
  [DuckDBTypeId.UNION]: 'a union: take its members apart with union_extract(x, tag)',
}

/** Field ids are all 0: the code that makes the schema assigns them. */
export function icebergType(type: DuckDBType, column: string): Type {
  const name = simple[type.typeId]
  if (name !== undefined) return { type: name }
  if (type instanceof DuckDBDecimalType) {
    return { type: 'decimal', precision: type.width, scale: type.scale }
  }
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) {
    const element = icebergType(type.valueType, column)
    return { type: 'list', elementId: 0, elementRequired: false, element }
  }
  if (type instanceof DuckDBMapType) {
    return {
      type: 'map',
      keyId: 0,
      key: icebergType(type.keyType, column),
      valueId: 0,
      valueRequired: false,
      value: icebergType(type.valueType, column),
    }
  }
  if (type instanceof DuckDBStructType) {
    const fields = type.entryNames.map((member, index): NestedField => {
      const inner = type.entryTypes[index]
      const memberType = inner === undefined ? undefined : icebergType(inner, `${column}.${member}`)
      return { id: 0, name: member, required: false, type: memberType ?? { type: 'string' } }
    })
    return { type: 'struct', fields }
  }
  const hint = advice[type.typeId] ?? 'cast it to a type that Iceberg has'
  throw new UnsupportedError(`column ${column} cannot be stored: it holds ${hint}`, {
    facts: { type: String(type) },
  })
}
