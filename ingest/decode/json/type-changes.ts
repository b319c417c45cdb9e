/**
 * Which columns have to be of another type to hold values of records that do not fit them (docs/spec/json-rows.md,
 * J13 and J14): widened where Iceberg does that in place, else replaced by a new column.
 */
import type { NestedField, Schema, Type } from '../../../catalog/format/index.ts'
import type { FilledColumns, RecordInBatch, ReplacedColumn, WidenedColumn } from '../row-decoder.ts'
import { RowScanner } from './row-scanner.ts'
import { compileScanPlan, type SchemaGrowth } from './scan-plan.ts'
import { commonType } from './type-for-value.ts'

export interface TypeChanges {
  readonly widened: readonly WidenedColumn[]
  readonly replaced: readonly ReplacedColumn[]
}

/** A type that values need at a path, whose names include `element` and `value`. */
interface NeededType {
  readonly path: readonly string[]
  readonly type: Type
}

/** What records need of the types of the columns that they fill. */
export function neededTypes(
  { fields, rules }: FilledColumns,
  growth: SchemaGrowth,
  records: readonly RecordInBatch[],
): readonly NeededType[] {
  const scanner = new RowScanner(compileScanPlan(fields, 'strict', { growth, rules }))
  const needed = new Map<string, NeededType>()
  for (const { batch, index } of records) {
    const start = batch.valueStarts[index] ?? -1
    if (start < 0) continue
    scanner.scan(batch.data, start, batch.valueEnds[index] ?? start)
    for (const { column, type } of scanner.misfits) {
      const key = JSON.stringify(column.path)
      const before = needed.get(key)
      const both = before === undefined ? type : commonType(before.type, type)
      needed.set(key, { path: column.path, type: both })
    }
  }
  return [...needed.values()]
}

/** The changes of a schema, which others may have changed since, that make room for the types. */
export function typeChanges(schema: Schema, needed: readonly NeededType[]): TypeChanges {
  const widened: WidenedColumn[] = []
  const replaced: ReplacedColumn[] = []
  for (const { path, type } of needed) {
    const steps = stepsTo(schema.fields, path)
    const now = steps.at(-1)?.type
    if (now === undefined || !isNarrower(now, type)) continue
    if (widens(now, type)) {
      widened.push({ kind: 'widen-column', path, type })
      continue
    }
    const holder = steps.findLast(({ field }) => field !== undefined)
    if (holder?.field === undefined) continue
    const inside = path.slice(holder.depth)
    replaced.push({
      field: holder.field,
      path: path.slice(0, holder.depth),
      type: withPart(holder.type, inside, type),
    })
  }
  return { widened, replaced }
}

interface PathStep {
  readonly type: Type
  /** The field that the step names; undefined for the element of a list and the value of a map. */
  readonly field: NestedField | undefined
  /** Names up to here. */
  readonly depth: number
}

/** Empty when nothing is at the path. */
function stepsTo(fields: readonly NestedField[], path: readonly string[]): readonly PathStep[] {
  const steps: PathStep[] = []
  let within: Type = { type: 'struct', fields }
  for (const [index, name] of path.entries()) {
    const field: NestedField | undefined =
      within.type === 'struct' ? within.fields.find((each) => each.name === name) : undefined
    const type: Type | undefined = field?.type ?? partOf(within, name)
    if (type === undefined) return []
    steps.push({ type, field, depth: index + 1 })
    within = type
  }
  return steps
}

function partOf(type: Type, name: string): Type | undefined {
  if (type.type === 'list' && name === 'element') return type.element
  return type.type === 'map' && name === 'value' ? type.value : undefined
}

/** `path` leads through lists and maps only. */
function withPart(type: Type, path: readonly string[], part: Type): Type {
  if (path.length === 0) return part
  const rest = path.slice(1)
  if (type.type === 'list') return { ...type, element: withPart(type.element, rest, part) }
  return type.type === 'map' ? { ...type, value: withPart(type.value, rest, part) } : type
}

/** True when `type` holds values that `now` does not. */
function isNarrower(now: Type, type: Type): boolean {
  if (now.type === 'decimal' && type.type === 'decimal') return now.precision < type.precision
  return now.type !== type.type && commonType(now, type).type === type.type
}

/** As Iceberg's schema evolution does in place. */
function widens(now: Type, type: Type): boolean {
  if (now.type === 'decimal' && type.type === 'decimal') return now.scale === type.scale
  return (
    (now.type === 'int' && type.type === 'long') || (now.type === 'float' && type.type === 'double')
  )
}
