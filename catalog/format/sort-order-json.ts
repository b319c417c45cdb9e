/** Sort orders in JSON (spec, "Appendix C: JSON serialization", "Sort Orders"). */
import type { Json, JsonObject } from '../../common/index.ts'
import {
  asArray,
  asInt,
  asObject,
  asString,
  optionalField,
  requiredField,
  unexpected,
} from './json-fields.ts'
import { sourceIdFromJson } from './partition-spec-json.ts'
import { formatTransform, parseTransform } from './transform-text.ts'
import type { SortField, SortOrder } from './types.ts'

export function sortOrderToJson(order: SortOrder): JsonObject {
  return {
    'order-id': order.orderId,
    fields: order.fields.map((field) => ({
      transform: formatTransform(field.transform),
      'source-id': field.sourceId,
      direction: field.direction,
      'null-order': field.nullOrder,
    })),
  }
}

export function sortOrderFromJson(json: Json | undefined, where = 'sort-order'): SortOrder {
  const object = asObject(json, where)
  return {
    orderId: optionalField(object, 'order-id', where, asInt) ?? 0,
    fields: requiredField(object, 'fields', where, asArray).map((item, index) =>
      sortFieldFromJson(item, `${where}.fields[${index}]`),
    ),
  }
}

function sortFieldFromJson(json: Json, where: string): SortField {
  const object = asObject(json, where)
  const direction = requiredField(object, 'direction', where, asString)
  const nullOrder = requiredField(object, 'null-order', where, asString)
  if (direction !== 'asc' && direction !== 'desc') throw unexpected('asc or desc', direction, where)
  if (nullOrder !== 'nulls-first' && nullOrder !== 'nulls-last') {
    throw unexpected('nulls-first or nulls-last', nullOrder, where)
  }
  return {
    transform: parseTransform(requiredField(object, 'transform', where, asString)),
    sourceId: sourceIdFromJson(object, where),
    direction,
    nullOrder,
  }
}
