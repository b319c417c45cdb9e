/**
 * Two mends of the DuckDB client (node-api 1.5.5), for every way that values come to JavaScript: rows,
 * statistics of COPY, distinct values. Importing this file is enough.
 *
 * The client's decoder takes U+FEFF at the beginning of a text for a mark of its encoding and drops it.
 * Its structs are plain objects, which lose a member called `__proto__` and all but one of several
 * members of one name, as those of `row(1, 2)`.
 */
import { DuckDBStructValue, DuckDBStructVector, type DuckDBValue } from '@duckdb/node-api'
// Not among the package's exports, but the only decoder that it has.
import { textDecoder } from '@duckdb/node-api/lib/vectors/dataAccessors.js'

const exact = new TextDecoder('utf-8', { ignoreBOM: true })
textDecoder.decode = (bytes?: Uint8Array) => exact.decode(bytes)

/** A struct whose members are in order too, however they are called. */
export class OrderedStruct extends DuckDBStructValue {
  readonly items: readonly DuckDBValue[]

  constructor(names: readonly string[], items: readonly DuckDBValue[]) {
    const entries = Object.create(null) as Record<string, DuckDBValue>
    for (const [index, item] of items.entries()) entries[names[index] ?? ''] = item
    super(entries)
    this.items = items
  }
}

DuckDBStructVector.prototype.getItem = function (itemIndex) {
  if (!this.isItemValid(itemIndex)) return null
  const { entryNames } = this.type
  const items = entryNames.map((_, index) => this.entryVectorAt(index).getItem(itemIndex))
  return new OrderedStruct(entryNames, items)
}
