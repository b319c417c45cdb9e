/** Sort orders in JSON (spec, "Appendix C: JSON serialization", "Sort Orders"). */
import type { Json, JsonObject } from '../../common/index.ts'
import { asInt, asString, JsonFields, listOf, unexpected } from './json-fields.ts'
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
  const fields = new JsonFields(json, where)
  return {
    orderId: fields.optional('order-id', asInt) ?? 0,
    fields: fields.required('fields', listOf(sortFieldFromJson)),
  }
}

function sortFieldFromJson(json: Json | undefined, where: string): SortField {
  const fields = new JsonFields(json, where)
  const direction = fields.required('direction', asString)
  const nullOrder = fields.required('null-order', asString)
  if (direction !== 'asc' && direction !== 'desc') throw unexpected('asc or desc', direction, where)
  if (nullOrder !== 'nulls-first' && nullOrder !== 'nulls-last') {
    throw unexpected('nulls-first or nulls-last', nullOrder, where)
  }
  return {
    transform: parseTransform(fields.required('transform', asString)),
    sourceId: sourceIdFromJson(fields),
    direction,
    nullOrder,
  }
}
