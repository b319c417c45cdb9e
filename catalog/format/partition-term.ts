/**
 * The partition grammar, as people write it in streams and models: `day(ts)`, `bucket(16, id)`,
 * `truncate(10, "a,b")`, or a column for its own value.
 *
 * The spellings of Spark (`days(ts)`) and Trino (`bucket(id, 16)`) are read too. A name may stand in
 * double quotes or backticks, and must where it holds a comma or parentheses. `day(ts) as d` names the
 * partition field, as Spark's `ADD PARTITION FIELD` does.
 */
import { didYouMean } from '../../common/index.ts'
import { formatName, isBareName, TextScanner } from './text-scanner.ts'
import { plainTransformKinds } from './transform-text.ts'
import type { Transform } from './types.ts'

export interface PartitionTerm {
  /** As it was written. */
  readonly text: string
  /** Column of the table; dots lead into structs. */
  readonly column: string
  readonly transform: Transform
  /** Of the partition field; without it the field has the name that every engine gives it. */
  readonly name?: string
}

const otherNames: ReadonlyMap<string, (typeof plainTransformKinds)[number]> = new Map([
  ['years', 'year'],
  ['months', 'month'],
  ['days', 'day'],
  ['date', 'day'],
  ['hours', 'hour'],
])

const widthMax = 2 ** 31 - 1
const callStart = /[\p{L}_][\p{L}\p{N}_]*(?=\s*\()/uy
/** Ends before `as name` at the end of the term. */
const bareColumn =
  /[^\s"`()](?:(?!\s+as\s+(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|[\p{L}_][\p{L}\p{N}_]*)\s*$)[^()])*/iuy
const asWord = /as(?=[\s"`])/iy
const bareArgument = /[^\s"`(),][^(),]*/y
const hint =
  'write day(ts), bucket(16, id), truncate(10, name) or a column, with the name of its field behind it if need be: day(ts) as d'

/** Throws ValidationError with the place and the way out. */
export function parsePartitionTerm(text: string): PartitionTerm {
  const scanner = new TextScanner(text, 'a partition term', hint)
  const call = scanner.match(callStart)
  const { column, transform } =
    call === undefined
      ? { column: readName(scanner, bareColumn), transform: { kind: 'identity' } as const }
      : readCall(scanner, call[0])
  const name = scanner.match(asWord) === undefined ? undefined : readFieldName(scanner)
  scanner.expectEnd()
  return { text, column, transform, ...(name === undefined ? {} : { name }) }
}

/** The term as `parsePartitionTerm` reads it; an unknown transform is put in brackets. */
export function formatPartitionTerm({
  column,
  transform,
  name,
}: Omit<PartitionTerm, 'text'>): string {
  return (
    formatTransformed(column, transform) + (name === undefined ? '' : ` as ${formatName(name)}`)
  )
}

function formatTransformed(column: string, transform: Transform): string {
  const name = formatColumn(column)
  switch (transform.kind) {
    case 'identity':
      return name
    case 'bucket':
      return `bucket(${transform.buckets}, ${name})`
    case 'truncate':
      return `truncate(${transform.width}, ${name})`
    case 'unknown':
      return `${transform.text}(${name})`
    default:
      return `${transform.kind}(${name})`
  }
}

function formatColumn(column: string): string {
  return column.split('.').every(isBareName) ? column : formatName(column)
}

type Read = Pick<PartitionTerm, 'column' | 'transform'>

function readFieldName(scanner: TextScanner): string {
  return scanner.quotedName() ?? scanner.word() ?? scanner.fail('the name behind "as" is missing')
}

function readCall(scanner: TextScanner, word: string): Read {
  const lower = word.toLowerCase()
  const kind = otherNames.get(lower) ?? lower
  const plain = plainTransformKinds.find((name) => name === kind)
  if (plain === undefined && kind !== 'bucket' && kind !== 'truncate') {
    const names = [...plainTransformKinds, 'bucket', 'truncate', ...otherNames.keys()]
    scanner.fail(`unknown partition transform "${word}"${didYouMean(word, names)}`)
  }
  scanner.expect('(')
  const read: Read =
    plain === undefined
      ? readWidthArguments(scanner, kind as 'bucket' | 'truncate')
      : { column: readName(scanner, bareArgument), transform: { kind: plain } }
  scanner.expect(')')
  return read
}

/** Spark writes bucket(16, id), Trino bucket(id, 16): the number says which argument is which. */
function readWidthArguments(scanner: TextScanner, kind: 'bucket' | 'truncate'): Read {
  const first = readArgument(scanner)
  scanner.expect(',')
  const second = readArgument(scanner)
  const [width, column] = first.isNumber ? [first, second] : [second, first]
  if (!width.isNumber) scanner.fail(`${kind} takes a number and a column`)
  const size = Number(width.text)
  if (size < 1 || size > widthMax) scanner.fail(`the number is 1 to ${widthMax}`)
  const transform: Transform = kind === 'bucket' ? { kind, buckets: size } : { kind, width: size }
  return { column: column.text, transform }
}

function readArgument(scanner: TextScanner): { readonly text: string; readonly isNumber: boolean } {
  const isQuoted = /^["`]/.test(scanner.rest)
  const text = readName(scanner, bareArgument)
  return { text, isNumber: !isQuoted && /^\d+$/.test(text) }
}

function readName(scanner: TextScanner, bare: RegExp): string {
  const name = scanner.quotedName() ?? scanner.match(bare)?.[0].trimEnd()
  if (name !== undefined) return name
  if (/^["`]/.test(scanner.rest)) scanner.fail('a quoted name does not end')
  return scanner.fail('a column name is missing')
}

/** How a list of terms is split from, and joined to, the text of a setting. */
export const partitionTermList = { split: splitTerms, join: joinTerms }

/** Splits at commas outside of parentheses and quotes. */
function splitTerms(text: string): readonly string[] {
  return joinTerms(text.match(/(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|[^,])+/g) ?? [])
    .map((term) => term.trim())
    .filter((term) => term !== '')
}

/**
 * In a YAML flow list a comma ends a scalar, so `[bucket(16,id)]` arrives as two pieces; they are
 * put together again by their parentheses, those in quoted names apart.
 */
function joinTerms(pieces: readonly string[]): readonly string[] {
  const terms: string[] = []
  let open = ''
  for (const piece of pieces) {
    const joined = open === '' ? piece : `${open},${piece}`
    open = count(joined, '(') > count(joined, ')') ? joined : ''
    if (open === '') terms.push(joined)
  }
  return open === '' ? terms : [...terms, open]
}

/** The index of the piece that `joinTerms` begins the term with; 0 where there are no pieces. */
export function firstPiece(term: number, pieces: readonly string[]): number {
  const ends = pieces.map((_, index) => joinTerms(pieces.slice(0, index + 1)).length)
  return Math.max(0, ends.indexOf(term + 1))
}

function count(text: string, symbol: string): number {
  const outsideQuotes = text.replaceAll(/"[^"]*"|`[^`]*`/g, '')
  return outsideQuotes.split(symbol).length - 1
}
