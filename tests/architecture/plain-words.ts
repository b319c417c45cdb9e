/**
 * Words that a stranger to this code would have to ask about, and what to write instead. Names of the
 * field (Iceberg, Kafka, dbt, SQL) come first; where there is none, the plainest English word.
 */
import { isProductFolder, type SourceFile } from '../support/import-graph.ts'

/** Parts of identifiers: `foundField`, `#told` and `isWanted` have one each. */
export const identifierWords: Readonly<Record<string, string>> = {
  found: 'name the thing: match, existing, field, offset',
  known: 'say how it is known: existing, loaded, expected, registered',
  wanted: 'expected, required, requested or selected',
  told: 'reported, logged or notified',
  said: 'reported, printed or logged',
  spelled: 'written, formatted, or the name of the text',
  asked: 'requested or queried',
  sight: 'observation, sample, or the name of the thing',
  gone: 'removed, deleted, missing or expired',
  judge: 'check, compare, or the name of the verdict (staleness)',
  judged: 'checked, compared, or the name of the verdict (staleness)',
  anew: 'again, or new',
}

/** Words in comments, messages and documents. */
export const proseWords: Readonly<Record<string, string>> = {
  whoever: 'say who: the caller, the reader, another process',
  whomever: 'say who: the caller, the reader, another process',
  somebody: 'say who: another process, another writer, a reader',
  anybody: 'say who: another process, another writer, a reader',
  nobody: 'say who does not: no other process, no reader',
  everybody: 'say who: all readers, all writers',
  anew: 'again, from the start',
  afresh: 'again, from the start',
  meanwhile: 'at the same time, in between, since then',
  shall: 'should, will or must',
  lest: 'so that … not',
  thereby: 'so',
  told: 'reported, logged, named or passed',
}

/** Names that others chose. */
const foreignIdentifiers =
  /^(?:setNotFoundHandler|NotFoundError|autoinstall_known_extensions|autoload_known_extensions)$/

export function identifierComplaints(sources: readonly SourceFile[]): readonly string[] {
  return product(sources).flatMap((source) =>
    codeWithoutStrings(source.code)
      .split('\n')
      .flatMap((line, index) =>
        [...line.matchAll(/[#\w$]+/g)].flatMap(([identifier]) =>
          partsOf(identifier).flatMap((part) => {
            if (!Object.hasOwn(identifierWords, part)) return []
            return [`${source.path}:${index + 1} ${identifier}: ${identifierWords[part]}`]
          }),
        ),
      ),
  )
}

/** Comments and texts of product code, as `proseComplaints` reads them. */
export function proseOf(sources: readonly SourceFile[]): readonly Prose[] {
  return product(sources).map((source) => ({ path: source.path, text: onlyProse(source) }))
}

export interface Prose {
  readonly path: string
  readonly text: string
}

export function proseComplaints(documents: readonly Prose[]): readonly string[] {
  return documents.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) =>
      [...line.replaceAll(/\btold apart\b/g, '').matchAll(/[A-Za-z]+/g)].flatMap(([word]) => {
        const plain = word.toLowerCase()
        if (!Object.hasOwn(proseWords, plain)) return []
        return [`${path}:${index + 1} ${word}: ${proseWords[plain]}`]
      }),
    ),
  )
}

function partsOf(identifier: string): readonly string[] {
  if (foreignIdentifiers.test(identifier)) return []
  return (
    identifier
      .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
      .toLowerCase()
      .split(/[^a-z]+/)
      // `notFound` is the field's own word.
      .filter((part, index, parts) => !(part === 'found' && parts[index - 1] === 'not'))
  )
}

const quotedText = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g

/** Blanks quoted texts out, and of templates all but what they insert. */
function codeWithoutStrings(code: string): string {
  const blank = (text: string): string => text.replaceAll(/[^\n]/g, ' ')
  return code
    .replaceAll(/`(?:\\[\s\S]|[^`\\])*`/g, (template) =>
      template
        .split(/(\$\{[^}]*\})/)
        .map((part) => (part.startsWith('${') ? part : blank(part)))
        .join(''),
    )
    .replaceAll(quotedText, blank)
}

/** Comments, quoted texts and templates of a file, each on its own line; the code between is blank. */
function onlyProse({ text, code }: SourceFile): string {
  const withoutStrings = codeWithoutStrings(code)
  return text.replaceAll(/[\s\S]/g, (character: string, at: number) =>
    withoutStrings[at] === character ? blankOf(character) : character,
  )
}

function blankOf(character: string): string {
  return character === '\n' ? '\n' : ' '
}

function product(sources: readonly SourceFile[]): readonly SourceFile[] {
  return sources.filter((source) => isProductFolder(source.topFolder) && !source.isTest)
}
