/** SHOW TABLES and the like, answered from the catalog. */
import type { Catalog } from '../../catalog/index.ts'
import { formatIdentifier, formatNamespace, type Namespace } from '../../catalog/format/index.ts'
import { mapLimited, UnsupportedError } from '../../common/index.ts'
import { catalogNamespaces, catalogTables } from '../bind/name-resolution.ts'
import type { ResultColumn, ResultRow } from '../session/query-result.ts'
import type { ShowRequest } from '../bind/table-references.ts'
import { duckdbTypeName } from '../text/type-name.ts'

interface Shown {
  readonly columns: readonly ResultColumn[]
  readonly rows: readonly ResultRow[]
}

export async function showNamespaces(catalog: Catalog): Promise<Shown> {
  const namespaces = await catalogNamespaces(catalog)
  return { columns: varchars('namespace'), rows: namespaces.map((name) => [formatNamespace(name)]) }
}

export async function showTables(
  catalog: Catalog,
  request: ShowRequest,
  defaultNamespace: Namespace | undefined,
): Promise<Shown> {
  if (request.what === '__show_tables_expanded') return showAllTables(catalog)
  if (request.what !== 'tables' && request.schema === '') {
    throw new UnsupportedError(
      'SHOW knows TABLES, TABLES FROM namespace, ALL TABLES and NAMESPACES',
      { facts: { what: request.what } },
    )
  }
  const namespace = request.schema === '' ? defaultNamespace : request.schema.split('.')
  if (namespace === undefined) {
    const tables = await catalogTables(catalog)
    return { columns: varchars('name'), rows: tables.map((table) => [formatIdentifier(table)]) }
  }
  const tables = await catalog.listTables(namespace)
  const names = tables.map(({ name }) => name).sort()
  return { columns: varchars('name'), rows: names.map((name) => [name]) }
}

async function showAllTables(catalog: Catalog): Promise<Shown> {
  const tables = await catalogTables(catalog)
  const rows = await mapLimited(tables, async (identifier): Promise<ResultRow> => {
    const { metadata } = await catalog.loadTable(identifier)
    const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
    const fields = schema?.fields ?? []
    return [
      formatNamespace(identifier.namespace),
      identifier.name,
      { kind: 'list', items: fields.map(({ name }) => name) },
      { kind: 'list', items: fields.map(({ type }) => duckdbTypeName(type)) },
    ]
  })
  return {
    columns: [
      ...varchars('namespace', 'name'),
      { name: 'column_names', type: 'VARCHAR[]' },
      { name: 'column_types', type: 'VARCHAR[]' },
    ],
    rows,
  }
}

function varchars(...names: readonly string[]): readonly ResultColumn[] {
  return names.map((name) => ({ name, type: 'VARCHAR' }))
}
