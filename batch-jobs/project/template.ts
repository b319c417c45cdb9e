/**
 * A SQL file as a template. Its config and dependencies are read from the syntax tree without running it, so
 * that they and all mistakes are reported whichever branch a run would take.
 */
import { didYouMean, ValidationError } from '../../common/index.ts'
import type { RawValue } from '../../settings/index.ts'
import {
  type ParsedTemplate,
  parseJinja,
  renderJinja,
  type TemplateNode,
  type TemplateWord,
} from './jinja.ts'

export interface SourceCall {
  readonly source: string
  readonly table: string
}

export interface Template {
  readonly file: string
  readonly text: string
  readonly config: Readonly<Record<string, RawValue>>
  readonly refs: readonly string[]
  readonly sources: readonly SourceCall[]
  /** Words that the text uses, such as `start`. */
  readonly words: ReadonlySet<string>
  render(words: Readonly<Record<string, TemplateWord>>): string
}

/** The functions and variables that every SQL file may use. */
export const templateWords = [
  'config',
  'ref',
  'source',
  'this',
  'var',
  'env_var',
  'is_incremental',
  'start',
  'end',
  'run_id',
] as const

const constants = ['true', 'True', 'false', 'False', 'none', 'None', 'loop', 'caller']

export function parseTemplate(text: string, file: string): Template {
  const tree = parseJinja(text, file)
  const facts = collect(tree, file)
  return {
    file,
    text,
    ...facts,
    render: (words) => renderJinja(tree, words),
  }
}

type Facts = Pick<Template, 'config' | 'refs' | 'sources' | 'words'>

function collect(tree: ParsedTemplate, file: string): Facts {
  const config: Record<string, RawValue> = {}
  const refs = new Set<string>()
  const sources = new Map<string, SourceCall>()
  const words = new Set<string>()
  const own = new Set(ownNames(tree))
  walk(tree, (node) => {
    if (node.type === 'Identifier') words.add(String(node['value']))
    if (node.type !== 'CallExpression') return
    const { name, args } = callOf(node)
    if (name === 'config') Object.assign(config, configOf(args, file))
    if (name === 'ref') refs.add(literals(args, 1, 'ref', file)[0] ?? '')
    if (name === 'source') {
      const [source = '', table = ''] = literals(args, 2, 'source', file)
      sources.set(`${source}.${table}`, { source, table })
    }
  })
  for (const word of words) {
    const permitted = [...templateWords, ...constants]
    if (permitted.includes(word) || own.has(word)) continue
    throw new ValidationError(
      `${file}: unknown word "${word}" in a template${didYouMean(word, templateWords)} (known: ${templateWords.join(', ')})`,
    )
  }
  return { config, refs: [...refs], sources: [...sources.values()], words }
}

/** Visits every node whose names are variables; names of filters, tests, members and named arguments are not. */
function walk(node: TemplateNode, visit: (node: TemplateNode) => void): void {
  visit(node)
  for (const [member, value] of Object.entries(node)) {
    // An operator is a token that may look like an identifier.
    if (member === 'operator') continue
    const isName =
      (node.type === 'FilterExpression' && member === 'filter') ||
      (node.type === 'FilterStatement' && member === 'filter') ||
      (node.type === 'TestExpression' && member === 'test') ||
      (node.type === 'KeywordArgumentExpression' && member === 'key') ||
      (node.type === 'MemberExpression' && member === 'property' && node['computed'] !== true)
    for (const child of childNodes(value)) {
      // The arguments of a filter may hold variables, its name is none.
      if (!isName) walk(child, visit)
      else if (child.type === 'CallExpression') {
        for (const argument of childNodes(child['args'])) walk(argument, visit)
      }
    }
  }
}

function childNodes(value: unknown): readonly TemplateNode[] {
  if (Array.isArray(value)) return value.flatMap(childNodes)
  if (value instanceof Map) return [...value.entries()].flat().flatMap(childNodes)
  return isNode(value) ? [value] : []
}

function isNode(value: unknown): value is TemplateNode {
  return typeof value === 'object' && value !== null && 'type' in value
}

/** Names that the template itself defines: by set, loops, macros and their parameters. */
function ownNames(tree: ParsedTemplate): readonly string[] {
  const names: string[] = []
  const add = (value: unknown): void => {
    for (const node of childNodes(value)) {
      if (node.type === 'Identifier') names.push(String(node['value']))
      else if (node.type === 'TupleLiteral') add(node['value'])
      else if (node.type === 'KeywordArgumentExpression') add(node['key'])
    }
  }
  walk(tree, (node) => {
    if (node.type === 'Set') add(node['assignee'])
    if (node.type === 'For') add(node['loopvar'])
    if (node.type === 'Macro') add([node['name'], node['args']])
    if (node.type === 'CallStatement') add(node['callerArgs'])
  })
  return names
}

function callOf(node: TemplateNode): {
  readonly name: string
  readonly args: readonly TemplateNode[]
} {
  const [callee] = childNodes(node['callee'])
  const name = callee?.type === 'Identifier' ? String(callee['value']) : ''
  return { name, args: childNodes(node['args']) }
}

function literals(
  args: readonly TemplateNode[],
  count: number,
  name: string,
  file: string,
): readonly string[] {
  const texts = args.flatMap((arg) => (arg.type === 'StringLiteral' ? [String(arg['value'])] : []))
  if (texts.length === count && args.length === count) return texts
  const example = count === 1 ? `ref('model')` : `source('name', 'table')`
  throw new ValidationError(
    `${file}: ${name} takes plain names, such as ${example}: dependencies are read without running the template`,
  )
}

function configOf(args: readonly TemplateNode[], file: string): Readonly<Record<string, RawValue>> {
  const entries = args.map((arg): [string, RawValue] => {
    const [key] = childNodes(arg['key'])
    const [value] = childNodes(arg['value'])
    if (arg.type !== 'KeywordArgumentExpression' || key === undefined || value === undefined) {
      throw new ValidationError(`${file}: config takes named values, such as materialized='table'`)
    }
    const name = String(key['value'])
    return [name, literalValue(value, `${file}: config ${name}`)]
  })
  return Object.fromEntries(entries)
}

/** Values stay text, as those of YAML do, until the schema of the settings parses them. */
function literalValue(node: TemplateNode, where: string): RawValue {
  const { value } = node
  switch (node.type) {
    case 'StringLiteral':
    case 'IntegerLiteral':
    case 'FloatLiteral':
      return String(value)
    case 'Identifier':
      if (/^(true|false)$/i.test(String(value))) return String(value).toLowerCase()
      break
    case 'ArrayLiteral':
    case 'TupleLiteral':
      return childNodes(value).map((child) => literalValue(child, where))
    case 'ObjectLiteral': {
      const pairs = [...(value as ReadonlyMap<TemplateNode, TemplateNode>)]
      return Object.fromEntries(
        pairs.map(([key, item]) => [String(literalValue(key, where)), literalValue(item, where)]),
      )
    }
    default:
  }
  throw new ValidationError(
    `${where}: expected a plain value: the config is read without running the template`,
  )
}
