/**
 * The one file that knows which template library there is. Templates are interpreted from their tree,
 * never turned into JavaScript, and reach nothing but the words they are given (docs/adr/0008).
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { errorMessage, ValidationError } from '../../common/index.ts'

/** A node of the library's tree, as far as we look into it. */
export interface TemplateNode {
  readonly type: string
  readonly [member: string]: unknown
}

/** What a function of ours is called with, in plain JavaScript. */
export interface CallArguments {
  readonly positional: readonly unknown[]
  readonly named: ReadonlyMap<string, unknown>
}

export type TemplateWord = string | boolean | ((call: CallArguments) => string | boolean)

export type ParsedTemplate = TemplateNode & { readonly body: readonly TemplateNode[] }

export function parseJinja(text: string, file: string): ParsedTemplate {
  try {
    return parse(tokenize(text, {})) as unknown as ParsedTemplate
  } catch (error) {
    throw new ValidationError(`${file}: not a valid template: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

export function renderJinja(
  template: ParsedTemplate,
  words: Readonly<Record<string, TemplateWord>>,
): string {
  const environment = new Environment()
  const constants = { true: true, True: true, false: false, False: false, none: null, None: null }
  for (const [name, value] of Object.entries(constants)) environment.set(name, value)
  for (const [name, word] of Object.entries(words)) {
    environment.set(name, typeof word === 'function' ? wrapped(word) : word)
  }
  const result = new Interpreter(environment).run(template as never) as { readonly value: unknown }
  return String(result.value)
}

/** Named arguments come as one map behind the positional ones. */
function wrapped(word: (call: CallArguments) => string | boolean) {
  return (...args: readonly unknown[]): string | boolean => {
    const last = args.at(-1)
    const named =
      last instanceof Map ? (last as ReadonlyMap<string, { value: unknown }>) : undefined
    return word({
      positional: named === undefined ? args : args.slice(0, -1),
      named: new Map([...(named ?? [])].map(([key, { value }]) => [key, value])),
    })
  }
}
