/** `partition_by` terms: `day(ts)`, `bucket(16,id)`, `truncate(10, name)`, or a bare column. */
import { SettingsError, didYouMean } from '../../common/index.ts'

export type PartitionTransform =
  | { readonly kind: 'identity' | 'void' | 'year' | 'month' | 'day' | 'hour' }
  | { readonly kind: 'bucket'; readonly buckets: number }
  | { readonly kind: 'truncate'; readonly width: number }

export interface PartitionTerm {
  /** As it was written. */
  readonly text: string
  /** Column of the table; dots lead into structs. */
  readonly column: string
  readonly transform: PartitionTransform
}

const plainKinds = ['identity', 'void', 'year', 'month', 'day', 'hour'] as const
const widthMax = 2 ** 31 - 1

export function parsePartitionTerm(text: string): PartitionTerm {
  const call = /^\s*(\w+)\s*\(\s*(.*?)\s*\)\s*$/s.exec(text)
  if (call === null) {
    if (/[()]/.test(text) || text.trim() === '') throw notATerm(text)
    return { text, column: unquoted(text), transform: { kind: 'identity' } }
  }
  const word = (call[1] ?? '').toLowerCase()
  const kind = word === 'date' ? 'day' : word.replace(/(?<=year|month|day|hour)s$/, '')
  const args = (call[2] ?? '').split(',').map((arg) => arg.trim())
  const plain = plainKinds.find((name) => name === kind)
  if (plain !== undefined) {
    if (args.length !== 1 || args[0] === '') throw notATerm(text)
    return { text, column: unquoted(args[0] ?? ''), transform: { kind: plain } }
  }
  if (kind !== 'bucket' && kind !== 'truncate') {
    const hint = didYouMean(kind, [...plainKinds, 'bucket', 'truncate'])
    throw new SettingsError(`unknown partition transform "${kind}"${hint}`)
  }
  return widthTerm(kind, args, text)
}

/** Spark writes bucket(16, id), Trino bucket(id, 16): the number says which argument is which. */
function widthTerm(kind: 'bucket' | 'truncate', args: string[], text: string): PartitionTerm {
  const [first = '', second = ''] = args
  const [number, name] = /^\d+$/.test(first) ? [first, second] : [second, first]
  const width = Number(number)
  if (args.length !== 2 || name === '' || !/^\d+$/.test(number)) throw notATerm(text)
  if (width < 1 || width > widthMax) throw new SettingsError(`"${text}": the number is 1 or more`)
  const column = unquoted(name)
  return { text, column, transform: kind === 'bucket' ? { kind, buckets: width } : { kind, width } }
}

function unquoted(name: string): string {
  const trimmed = name.trim()
  const quoted = /^"((?:[^"]|"")*)"$|^`([^`]*)`$/.exec(trimmed)
  return quoted === null ? trimmed : (quoted[1]?.replaceAll('""', '"') ?? quoted[2] ?? '')
}

/**
 * In a YAML flow list a comma ends a scalar, so `[bucket(16,id)]` arrives as two pieces; they are
 * put together again by their parentheses.
 */
export function joinTerms(pieces: readonly string[]): readonly string[] {
  const terms: string[] = []
  let open = ''
  for (const piece of pieces) {
    const joined = open === '' ? piece : `${open},${piece}`
    open = count(joined, '(') > count(joined, ')') ? joined : ''
    if (open === '') terms.push(joined)
  }
  return open === '' ? terms : [...terms, open]
}

/** Which piece `joinTerms` begins the term with; the first where there are no pieces. */
export function firstPiece(term: number, pieces: readonly string[]): number {
  const ends = pieces.map((_, index) => joinTerms(pieces.slice(0, index + 1)).length)
  return Math.max(0, ends.indexOf(term + 1))
}

function count(text: string, symbol: string): number {
  return text.split(symbol).length - 1
}

function notATerm(text: string): SettingsError {
  return new SettingsError(
    `not a partition term: "${text}" (write day(ts), bucket(16,id), truncate(10,name) or a column)`,
  )
}
