/** Columns that hold what a table holds and what a sample of records showed. */
import { formatType, type NestedField, type Type } from '../../catalog/format/index.ts'
import { commonType } from '../decode/json/type-for-value.ts'
import type { FieldRemark } from '../decode/row-decoder.ts'

const numbers: readonly Type['type'][] = ['int', 'long', 'float', 'double', 'decimal']
const texts: readonly Type['type'][] = ['date', 'timestamp', 'timestamptz', 'string']

/** `stated` come first and keep what they declare; remarks say where the sample shows another type. */
export function widestFields(
  stated: readonly NestedField[],
  sampled: readonly NestedField[],
): { readonly fields: readonly NestedField[]; readonly remarks: readonly FieldRemark[] } {
  const remarks: FieldRemark[] = []
  const fields = mergeFields(stated, sampled, [], remarks)
  return { fields, remarks }
}

function mergeFields(
  stated: readonly NestedField[],
  sampled: readonly NestedField[],
  path: readonly string[],
  remarks: FieldRemark[],
): readonly NestedField[] {
  const merged = stated.map((field) => {
    const seen = sampled.find(({ name }) => name === field.name)
    const at = [...path, field.name]
    return seen === undefined
      ? field
      : { ...field, type: merge(field.type, seen.type, at, remarks) }
  })
  const names = new Set(stated.map(({ name }) => name.toLowerCase()))
  return [...merged, ...sampled.filter(({ name }) => !names.has(name.toLowerCase()))]
}

function merge(stated: Type, seen: Type, path: readonly string[], remarks: FieldRemark[]): Type {
  if (stated.type === 'struct' && seen.type === 'struct') {
    return { ...stated, fields: mergeFields(stated.fields, seen.fields, path, remarks) }
  }
  if (stated.type === 'list' && seen.type === 'list') {
    const element = merge(stated.element, seen.element, [...path, 'element'], remarks)
    return { ...stated, element }
  }
  if (stated.type === 'map' && seen.type === 'map') {
    return { ...stated, value: merge(stated.value, seen.value, [...path, 'value'], remarks) }
  }
  const [before, now] = [formatType(stated), formatType(seen)]
  if (before === now) return stated
  const isAlike = [numbers, texts].some(
    (all) => all.includes(stated.type) && all.includes(seen.type),
  )
  const type = isAlike ? widest(stated, seen) : stated
  if (formatType(type) === before) {
    if (!isAlike) remarks.push({ path, text: `${now} in the sample` })
  } else remarks.push({ path, text: `${before} so far, ${now} in the sample` })
  return type
}

function widest(stated: Type, seen: Type): Type {
  if (texts.includes(stated.type)) return { type: 'string' }
  // A decimal that a person chose holds fractions, which a double only approximates.
  if (stated.type === 'decimal' && stated.scale > 0) return stated
  return commonType(stated, seen)
}
