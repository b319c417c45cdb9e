/**
 * Finds the tables that a query reads, and for each the joins above it in its SELECT, which decide
 * which conditions may be pushed into its scan (docs/spec/sql.md Q3).
 */
import { UnsupportedError, isJsonObject, type Json } from '../../common/index.ts'
import { bytePositionOf, child, children, textOf, textsOf, type Node } from './syntax-tree.ts'

/**
 * How far a condition on a table commutes with the joins above it: `inner` any condition,
 * `nullable` only one that no NULL satisfies (the table is padded by an outer join), `none` nothing.
 */
export type Side = 'inner' | 'nullable' | 'none'

export interface TableReference {
  /** As written: table, schema.table or catalog.schema.table. */
  readonly parts: readonly string[]
  readonly alias: string
  readonly bytePosition: number
  readonly timeTravel: TimeTravel | undefined
  readonly side: Side
  readonly scope: SelectScope
}

export interface TimeTravel {
  readonly unit: 'VERSION' | 'TIMESTAMP'
  readonly expression: Node
}

/** One SELECT: what its FROM names, and the conditions that all its rows satisfy. */
export interface SelectScope {
  readonly leaves: Leaf[]
  readonly conditions: Node[]
}

/** An item of FROM: a table of the catalog, or an item whose columns are unknown. */
export interface Leaf {
  readonly alias: string
  readonly reference: TableReference | undefined
}

export interface QueryReferences {
  readonly tables: readonly TableReference[]
  /** Every column name that occurs anywhere, for hidden columns. */
  readonly columnNames: ReadonlySet<string>
  /** SHOW TABLES and the like, which DuckDB cannot answer because the tables are not its own. */
  readonly show: ShowRequest | undefined
}

export interface ShowRequest {
  readonly what: string
  readonly schema: string
}

/** Functions in FROM that read nothing but their arguments. */
const tableFunctions = new Set(
  `range generate_series unnest repeat repeat_row json_each json_tree duckdb_functions
  duckdb_keywords duckdb_types sql_auto_complete test_all_types
  regexp_split_to_table`.split(/\s+/),
)

/** Walks the whole tree. Throws UnsupportedError for what would read past the catalog. */
export function findReferences(root: Node): QueryReferences {
  const walk: Walk = { tables: [], columnNames: new Set(), show: undefined }
  visitQuery(walk, root, new Set())
  return walk
}

interface Walk {
  readonly tables: TableReference[]
  readonly columnNames: Set<string>
  show: ShowRequest | undefined
}

type Names = ReadonlySet<string>

const queryNodes = new Set([
  'SELECT_NODE',
  'SET_OPERATION_NODE',
  'RECURSIVE_CTE_NODE',
  'CTE_NODE',
  'STATEMENT_NODE',
])

function visitQuery(walk: Walk, node: Node, outer: Names): void {
  const ctes = visitCtes(walk, node, outer)
  const type = textOf(node, 'type')
  if (type === 'CTE_NODE') {
    visitCteNode(walk, node, ctes)
    return
  }
  if (type !== 'SELECT_NODE') {
    for (const [key, value] of Object.entries(node)) {
      if (key !== 'cte_map') visitAny(walk, value, ctes)
    }
    return
  }
  const scope: SelectScope = { leaves: [], conditions: [] }
  const sampled = isJsonObject(node['sample'])
  const from = node['from_table']
  if (isJsonObject(from)) visitFrom(walk, from, ctes, scope, sampled ? 'none' : 'inner')
  const where = node['where_clause']
  if (isJsonObject(where)) scope.conditions.push(where)
  for (const [key, value] of Object.entries(node)) {
    if (key !== 'cte_map' && key !== 'from_table') visitAny(walk, value, ctes)
  }
}

/** A table expression sees those before it; itself only when recursive. */
function visitCtes(walk: Walk, node: Node, outer: Names): Names {
  const map = node['cte_map']
  if (!isJsonObject(map)) return outer
  let visible = outer
  for (const entry of children(map['map'])) {
    const name = textOf(entry, 'key').toLowerCase()
    const query = child(child(child(entry, 'value'), 'query'), 'node')
    const isRecursive = textOf(query, 'type') === 'RECURSIVE_CTE_NODE'
    const after = new Set([...visible, name])
    visitQuery(walk, query, isRecursive ? after : visible)
    visible = after
  }
  return visible
}

function visitCteNode(walk: Walk, node: Node, ctes: Names): void {
  const name = (textOf(node, 'cte_name') || textOf(node, 'ctename')).toLowerCase()
  visitAny(walk, node['query'], ctes)
  visitAny(walk, node['child'], new Set([...ctes, name]))
}

/** Anything outside FROM: only subqueries, functions and column names matter there. */
function visitAny(walk: Walk, value: Json | undefined, ctes: Names): void {
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) visitAny(walk, item, ctes)
    return
  }
  if (!isJsonObject(value)) return
  const type = textOf(value, 'type')
  if (queryNodes.has(type)) {
    visitQuery(walk, value, ctes)
    return
  }
  if (type === 'COLUMN_REF') {
    for (const name of textsOf(value, 'column_names')) walk.columnNames.add(name)
  }
  if (type === 'BASE_TABLE' || type === 'TABLE_FUNCTION' || type === 'JOIN') {
    // A FROM item outside a SELECT (SUMMARIZE, PIVOT) is read without pushing conditions.
    visitFrom(walk, value, ctes, { leaves: [], conditions: [] }, 'none')
    return
  }
  for (const member of Object.values(value)) visitAny(walk, member, ctes)
}

function visitFrom(walk: Walk, node: Node, ctes: Names, scope: SelectScope, side: Side): void {
  switch (textOf(node, 'type')) {
    case 'BASE_TABLE':
      visitTable(walk, node, ctes, scope, side)
      return
    case 'JOIN':
      visitJoin(walk, node, ctes, scope, side)
      return
    case 'TABLE_FUNCTION':
      checkTableFunction(node)
      break
    case 'SHOW_REF':
      visitShow(walk, node)
      break
    default:
      break
  }
  if (textOf(node, 'type') !== 'EMPTY') {
    scope.leaves.push({ alias: textOf(node, 'alias'), reference: undefined })
  }
  for (const member of Object.values(node)) visitAny(walk, member, ctes)
}

function visitTable(walk: Walk, node: Node, ctes: Names, scope: SelectScope, side: Side): void {
  const parts = [
    textOf(node, 'catalog_name'),
    textOf(node, 'schema_name'),
    textOf(node, 'table_name'),
  ].filter((part) => part !== '')
  const name = parts.at(-1) ?? ''
  const alias = textOf(node, 'alias') || name
  const at = node['at_clause']
  visitAny(walk, at, ctes)
  if (parts.length === 1 && ctes.has(name.toLowerCase())) {
    scope.leaves.push({ alias, reference: undefined })
    return
  }
  const bytePosition = bytePositionOf(node)
  if (bytePosition === undefined) {
    throw new UnsupportedError('cannot locate this table in the text of the query', {
      facts: { table: parts.join('.') },
    })
  }
  const renamesColumns = textsOf(node, 'column_name_alias').length > 0
  const reference: TableReference = {
    parts,
    alias,
    bytePosition,
    timeTravel: isJsonObject(at) ? readTimeTravel(at) : undefined,
    side: isJsonObject(node['sample']) || renamesColumns ? 'none' : side,
    scope,
  }
  walk.tables.push(reference)
  scope.leaves.push({ alias, reference: renamesColumns ? undefined : reference })
}

function readTimeTravel(at: Node): TimeTravel {
  const unit = textOf(at, 'unit').toUpperCase()
  if (unit !== 'VERSION' && unit !== 'TIMESTAMP') {
    throw new UnsupportedError('time travel is by VERSION or by TIMESTAMP', { facts: { unit } })
  }
  return { unit, expression: child(at, 'expr') }
}

function visitJoin(walk: Walk, node: Node, ctes: Names, scope: SelectScope, side: Side): void {
  const sides = joinSides(textOf(node, 'join_type'), textOf(node, 'ref_type'))
  visitFrom(walk, child(node, 'left'), ctes, scope, worse(side, sides.left))
  visitFrom(walk, child(node, 'right'), ctes, scope, worse(side, sides.right))
  const condition = node['condition']
  visitAny(walk, condition, ctes)
  const isInner = textOf(node, 'join_type') === 'INNER' && sides.right === 'inner'
  if (isInner && side === 'inner' && isJsonObject(condition)) scope.conditions.push(condition)
}

function joinSides(
  joinType: string,
  refType: string,
): { readonly left: Side; readonly right: Side } {
  // ASOF picks the nearest row of the right side: a row pruned there would change the match.
  if (refType === 'ASOF') return { left: joinType === 'INNER' ? 'inner' : 'none', right: 'none' }
  if (refType !== 'REGULAR' && refType !== 'CROSS' && refType !== 'NATURAL') {
    return { left: 'none', right: 'none' }
  }
  switch (joinType) {
    case 'INNER':
      return { left: 'inner', right: 'inner' }
    case 'LEFT':
      return { left: 'inner', right: 'nullable' }
    case 'RIGHT':
      return { left: 'nullable', right: 'inner' }
    case 'FULL':
    case 'OUTER':
      return { left: 'nullable', right: 'nullable' }
    case 'SEMI':
    case 'ANTI':
      return { left: 'inner', right: 'none' }
    default:
      return { left: 'none', right: 'none' }
  }
}

function worse(a: Side, b: Side): Side {
  if (a === 'none' || b === 'none') return 'none'
  return a === 'nullable' || b === 'nullable' ? 'nullable' : 'inner'
}

function checkTableFunction(node: Node): void {
  const name = textOf(child(node, 'function'), 'function_name').toLowerCase()
  if (tableFunctions.has(name)) return
  throw new UnsupportedError('this table function is not available: query a table of the catalog', {
    facts: { function: name },
  })
}

function visitShow(walk: Walk, node: Node): void {
  if (isJsonObject(node['query'])) return
  walk.show = {
    what: textOf(node, 'table_name').replaceAll('"', '').toLowerCase(),
    schema: textOf(node, 'schema_name'),
  }
}
