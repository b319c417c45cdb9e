/** DuckDB's name of an Iceberg type. */
import { unreachable } from '../../common/index.ts'
import type { Type } from '../../catalog/format/index.ts'
import { quoteIdentifier } from './sql-text.ts'

/** `binaryName` differs where bytes come as text. */
export function duckdbTypeName(
  type: Type,
  binaryName: (type: Type) => string = () => 'BLOB',
): string {
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
      return binaryName(type)
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'struct': {
      const members = type.fields.map(
        (field) => `${quoteIdentifier(field.name)} ${duckdbTypeName(field.type, binaryName)}`,
      )
      return `STRUCT(${members.join(', ')})`
    }
    case 'list':
      return `${duckdbTypeName(type.element, binaryName)}[]`
    case 'map':
      return `MAP(${duckdbTypeName(type.key, binaryName)}, ${duckdbTypeName(type.value, binaryName)})`
    default:
      return unreachable(type)
  }
}
