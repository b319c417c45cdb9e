/**
 * From a document, the environment and flags to typed values: precedence flag > environment > file >
 * default, each value with its origin, every fault with its place.
 */
import type { z } from 'zod'
import { SettingsError, errorMessage, didYouMean } from '../common/index.ts'
import type { VariableSource } from './interpolate.ts'
import { looksSecret, maskUrlCredentials, maskedText } from './mask.ts'
import { type Origin, Origins } from './origin.ts'
import {
  environmentName,
  keysAt,
  leaves,
  resolveSettingPath,
  type SettingLeaf,
  type SettingsSchema,
} from './schema-walk.ts'
import { pathKey, type SettingPath } from './setting-path.ts'
import {
  SettingsProblemsError,
  isRawMap,
  type RawMap,
  type RawValue,
  type SettingProblem,
  type SettingTree,
} from './setting-tree.ts'
import { parseYamlTree } from './yaml-document.ts'

/** A value from the command line: `--set path=value`, or a flag of its own such as `--warehouse`. */
export interface SettingOverride {
  readonly path: string
  readonly value: string
  readonly flag: string
}

export interface SettingEntry {
  readonly path: SettingPath
  /** Secrets are masked. */
  readonly text: string
  readonly origin: Origin
}

export interface ResolveRequest {
  readonly text: string
  /** Name for messages; undefined when there is no file. */
  readonly file: string | undefined
  readonly variables: VariableSource
  readonly overrides: readonly SettingOverride[]
  /** Keys that are known but belong to a later release, by dotted path, with what to do instead. */
  readonly laterKeys: Readonly<Record<string, string>>
  /** Environment names outside our prefix, lowest precedence of the environment. */
  readonly environmentFallbacks?: Readonly<Record<string, readonly string[]>>
  /** Keys that the environment may not set, because several documents share one environment. */
  readonly notFromEnvironment?: readonly string[]
}

export interface Resolved<Value> {
  readonly value: Value
  readonly entries: readonly SettingEntry[]
  /** A problem at `path` with the place where that value was written. */
  problem(path: SettingPath, message: string): SettingProblem
  origin(path: SettingPath): Origin
}

/** Throws SettingsProblemsError with every fault that was found. */
export function resolveSettings<Schema extends SettingsSchema>(
  schema: Schema,
  request: ResolveRequest,
): Resolved<z.output<Schema>> {
  const tree = parseYamlTree(request.text, request.file ?? 'settings', request.variables)
  return resolveTree(schema, tree, request)
}

/** The same for what was read already, or was never YAML. */
export function resolveTree<Schema extends SettingsSchema>(
  schema: Schema,
  tree: SettingTree,
  request: Omit<ResolveRequest, 'text' | 'file'>,
): Resolved<z.output<Schema>> {
  const layered = new Layers(schema, tree)
  layered.applyEnvironment(request)
  for (const override of request.overrides) layered.applyOverride(override)
  const result = schema.safeParse(layered.value)
  const problems = [...layered.problems]
  if (!result.success) {
    for (const issue of result.error.issues) {
      problems.push(...describeIssue(schema, issue, layered, request.laterKeys))
    }
  }
  if (!result.success || problems.length > 0) {
    throw new SettingsProblemsError(inOrder(withoutEchoes(problems, tree.problems)))
  }
  return {
    value: result.data,
    entries: listEntries(schema, layered),
    origin: (path) => layered.origin(path),
    problem: (path, message) => ({ path, message, origin: layered.origin(path) }),
  }
}

/** The document with environment and flags laid over it. */
class Layers {
  readonly #schema: SettingsSchema
  readonly #keyOrigins: Origins
  readonly #valueOrigins: Origins
  readonly problems: SettingProblem[]
  value: RawMap

  constructor(schema: SettingsSchema, tree: SettingTree) {
    this.#schema = schema
    this.#keyOrigins = tree.keyOrigins
    this.#valueOrigins = new Origins(tree.valueOrigins)
    this.problems = [...tree.problems]
    this.value = tree.value
  }

  applyEnvironment(request: Omit<ResolveRequest, 'text' | 'file'>): void {
    for (const leaf of leaves(this.#schema)) {
      const dotted = leaf.path.join('.')
      if (request.notFromEnvironment?.includes(dotted)) continue
      const own = environmentName(leaf.path)
      const fallbacks = request.environmentFallbacks?.[dotted] ?? []
      // The AWS names are shared with other tools on the machine, so the file goes before them.
      const names = isSet(this.value, leaf.path) ? [own] : [own, ...fallbacks]
      for (const variable of names) {
        const value = this.#read(request.variables, variable, leaf.path)
        if (value === undefined || value === '') continue
        this.#put(leaf.path, value, { kind: 'env', variable })
        break
      }
    }
  }

  applyOverride(override: SettingOverride): void {
    const origin: Origin = { kind: 'flag', flag: override.flag }
    const path = resolveSettingPath(this.#schema, override.path)
    if (path === undefined) {
      const keys = leaves(this.#schema).map((leaf) => leaf.path.join('.'))
      const message = `unknown key "${override.path}"${didYouMean(override.path, keys)}`
      this.problems.push({ path: [], origin, message })
      return
    }
    this.#put(path, override.value, origin)
  }

  origin(path: SettingPath): Origin {
    return this.#valueOrigins.nearest(path)
  }

  keyOrigin(path: SettingPath): Origin {
    return this.#keyOrigins.get(path) ?? this.origin(path)
  }

  #read(variables: VariableSource, name: string, path: SettingPath): string | undefined {
    try {
      return variables(name)
    } catch (error) {
      const origin: Origin = { kind: 'env', variable: name }
      this.problems.push({ path, origin, message: errorMessage(error) })
      return undefined
    }
  }

  #put(path: readonly string[], text: string, origin: Origin): void {
    this.value = withValue(this.value, path, structured(text))
    this.#valueOrigins.replace(path, origin)
  }
}

/** Lists and maps on a command line are YAML flow text; all else is the text itself. */
function structured(text: string): RawValue {
  if (!/^\s*[[{]/.test(text)) return text
  const tree = parseYamlTree(`value: ${text}`, 'value', () => undefined)
  return tree.problems.length === 0 ? (tree.value['value'] ?? text) : text
}

function isSet(value: RawValue | undefined, path: readonly string[]): boolean {
  let current = value
  for (const step of path) current = isRawMap(current) ? current[step] : undefined
  return current !== undefined
}

function withValue(map: RawMap, path: readonly string[], value: RawValue): RawMap {
  const [step = '', ...rest] = path
  if (rest.length === 0) return { ...map, [step]: value }
  const child = map[step]
  return { ...map, [step]: withValue(isRawMap(child) ? child : {}, rest, value) }
}

function describeIssue(
  schema: SettingsSchema,
  issue: z.core.$ZodIssue,
  layers: Layers,
  laterKeys: Readonly<Record<string, string>>,
): readonly SettingProblem[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  if (issue.code !== 'unrecognized_keys') {
    return [{ path, origin: layers.origin(path), message: issue.message }]
  }
  const keys = keysAt(schema, path) ?? []
  return issue.keys.map((key) => {
    const keyPath = [...path, key]
    const later = laterKeys[keyPath.filter((step) => typeof step === 'string').join('.')]
    const message =
      later === undefined
        ? `unknown key "${key}"${didYouMean(key, keys)} (known here: ${keys.join(', ')})`
        : later
    return { path: keyPath, origin: layers.keyOrigin(keyPath), message }
  })
}

/** A value that could not be interpolated is missing afterwards; its first fault is enough. */
function withoutEchoes(
  problems: readonly SettingProblem[],
  first: readonly SettingProblem[],
): readonly SettingProblem[] {
  const reported = new Set(first.map((problem) => pathKey(problem.path)))
  const broken = reported.has(pathKey([]))
  return problems.filter(
    (problem) => first.includes(problem) || !(broken || reported.has(pathKey(problem.path))),
  )
}

function inOrder(problems: readonly SettingProblem[]): readonly SettingProblem[] {
  const place = ({ origin }: SettingProblem): number =>
    origin.kind === 'file' ? origin.position.line * 10_000 + origin.position.col : Infinity
  return [...problems].sort((left, right) => {
    const [first, second] = [place(left), place(right)]
    return first === second ? 0 : first - second
  })
}

function listEntries(schema: SettingsSchema, layers: Layers): readonly SettingEntry[] {
  return leaves(schema).flatMap((leaf) => entriesOf(leaf, layers))
}

function entriesOf(leaf: SettingLeaf, layers: Layers): readonly SettingEntry[] {
  let value: RawValue | undefined = layers.value
  for (const step of leaf.path) value = isRawMap(value) ? value[step] : undefined
  if (value === undefined) {
    if (leaf.defaultText === undefined) return []
    if (leaf.section !== undefined && !isSet(layers.value, leaf.section)) return []
    return [{ path: leaf.path, text: leaf.defaultText, origin: { kind: 'default' } }]
  }
  return flatten(value, leaf.path, leaf.secret).map(({ path, text }) => ({
    path,
    text,
    origin: layers.origin(path),
  }))
}

function flatten(
  value: RawValue,
  path: SettingPath,
  secret: boolean,
): readonly { readonly path: SettingPath; readonly text: string }[] {
  if (typeof value === 'string') {
    return [{ path, text: secret ? maskedText : maskUrlCredentials(value) }]
  }
  const children: readonly (readonly [string | number, RawValue])[] = Array.isArray(value)
    ? (value as readonly RawValue[]).map((child, index) => [index, child] as const)
    : Object.entries(value as RawMap)
  return children.flatMap(([step, child]) => {
    const hidden = secret || (typeof step === 'string' && looksSecret(step))
    return flatten(child, [...path, step], hidden)
  })
}

/** Refuses `TIDEWATER_A__B` names that set nothing: a typo there would be silent otherwise. */
export function refuseUnknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
  schemas: readonly SettingsSchema[],
): void {
  const names = schemas.flatMap((schema) =>
    leaves(schema).map((leaf) => environmentName(leaf.path)),
  )
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('TIDEWATER_') || !name.includes('__')) continue
    if (names.includes(name.replace(/_FILE$/, '')) || names.includes(name)) continue
    throw new SettingsError(`unknown environment variable ${name}${didYouMean(name, names)}`)
  }
}
