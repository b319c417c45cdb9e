/** DuckDB's name of an Iceberg type, for reading. */
import { unreachable } from '../../common/index.ts'
import type { Type } from '../../catalog/index.ts'
import { quoteIdentifier } from '../sql-text.ts'

export function duckdbTypeName(type: Type): string {
  switch (type.type) {
    case 'boolean':
      return 'BOOLEAN'
    case 'int':
      return 'INTEGER'
    case 'long':
      return 'BIGINT'
    case 'float':
      return 'FLOAT'
    case 'double':
      return 'DOUBLE'
    case 'date':
      return 'DATE'
    case 'time':
      return 'TIME'
    case 'timestamp':
      return 'TIMESTAMP'
    case 'timestamptz':
      return 'TIMESTAMP WITH TIME ZONE'
    case 'string':
      return 'VARCHAR'
    case 'uuid':
      return 'UUID'
    case 'binary':
    case 'fixed':
      return 'BLOB'
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'struct': {
      const members = type.fields.map(
        (field) => `${quoteIdentifier(field.name)} ${duckdbTypeName(field.type)}`,
      )
      return `STRUCT(${members.join(', ')})`
    }
    case 'list':
      return `${duckdbTypeName(type.element)}[]`
    case 'map':
      return `MAP(${duckdbTypeName(type.key)}, ${duckdbTypeName(type.value)})`
    default:
      return unreachable(type)
  }
}
