/** Why a field that the schema lacks can never be a column that keeps its value. */
import { errorMessage, parseJsonTokens } from '../../../common/index.ts'
import { columnNameFault } from '../column-names.ts'
import { jsonBytes } from './json-cursor.ts'

/**
 * `value` is the field's JSON, well-formed; `siblings` the lower-case names of the columns beside it.
 * Undefined when a column could keep it.
 */
export function unknownFieldFault(
  path: string,
  name: string,
  siblings: ReadonlySet<string>,
  value: Uint8Array,
): string | undefined {
  if (siblings.has(name.toLowerCase())) {
    return `field ${path} differs from a column of the table only in upper and lower case`
  }
  const fault = columnNameFault(name)
  if (fault !== undefined) {
    return `no column can have the name of field ${JSON.stringify(path)}: ${fault}`
  }
  const first = value[0]
  if (first !== jsonBytes.OPEN_BRACE && first !== jsonBytes.OPEN_BRACKET) return undefined
  try {
    // Of two members of one name no column could keep both; rare enough to be found by parsing.
    parseJsonTokens(Buffer.from(value).toString('utf8'))
    return undefined
  } catch (error) {
    return `field ${path}: ${errorMessage(error)}`
  }
}
