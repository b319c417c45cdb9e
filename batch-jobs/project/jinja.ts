/**
 * The only file that depends on the template library. Templates are interpreted from their syntax tree,
 * never compiled to JavaScript, and can use only the names that they are given (docs/adr/0008).
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { errorMessage, ValidationError } from '../../common/index.ts'

/** A node of the library's syntax tree, as far as we use it. */
export interface TemplateNode {
  readonly type: string
  readonly [member: string]: unknown
}

/** The arguments of a call to one of our functions, as plain JavaScript values. */
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

/** The library passes named arguments as one map after the positional ones. */
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
