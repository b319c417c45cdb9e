/** Reads a project's models, snapshots and tests from its folders, and checks them as a whole. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  formatIdentifier,
  type TableIdentifier,
  parseTableName,
} from '../../catalog/format/index.ts'
import { didYouMean, ValidationError } from '../../common/index.ts'
import { type ConfigLayer, type ModelKind, parseModelConfig } from '../settings/model-config.ts'
import {
  type ModelDocument,
  type ModelEntry,
  parseModelDocument,
} from '../settings/model-document.ts'
import {
  type Origin,
  SettingsProblemsError,
  type SettingProblem,
  variableSource,
} from '../../settings/index.ts'
import { checkCron } from './cron.ts'
import { buildOrder } from './graph.ts'
import type { Model, Project, SingularTest } from './model.ts'
import { parseTemplate, type Template } from './template.ts'

export interface ProjectOptions {
  readonly directory: string
  /** Namespace of models that set no schema. */
  readonly namespace: string
  /** For `${VAR}` in YAML. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const filesMax = 10_000
const fileBytesMax = 1_000_000

/** Throws SettingsProblemsError or ValidationError naming the file. */
export async function loadProject(options: ProjectOptions): Promise<Project> {
  const { directory } = options
  const modelFiles = await listFiles(directory, 'models')
  const snapshotFiles = await listFiles(directory, 'snapshots')
  const testFiles = await listFiles(directory, 'tests')
  const loader = new ProjectLoader(options)
  for (const file of [...modelFiles, ...snapshotFiles]) {
    if (/\.ya?ml$/.test(file)) loader.addDocument(file, await readText(directory, file))
  }
  for (const [kind, files] of [
    ['model', modelFiles],
    ['snapshot', snapshotFiles],
  ] as const) {
    for (const file of files.filter((each) => each.endsWith('.sql'))) {
      loader.addTemplate(kind, parseTemplate(await readText(directory, file), file))
    }
  }
  for (const file of testFiles.filter((each) => each.endsWith('.sql'))) {
    loader.addTest(parseTemplate(await readText(directory, file), file))
  }
  return loader.finish()
}

interface Candidate {
  readonly kind: ModelKind
  readonly name: string
  readonly template: Template
}

class ProjectLoader {
  readonly #options: ProjectOptions
  readonly #documents: ModelDocument[] = []
  readonly #candidates: Candidate[] = []
  readonly #tests: Template[] = []
  readonly #problems: SettingProblem[] = []

  constructor(options: ProjectOptions) {
    this.#options = options
  }

  addDocument(file: string, text: string): void {
    const variables = variableSource(this.#options.environment ?? {})
    this.#gather(() => this.#documents.push(parseModelDocument(text, file, variables)))
  }

  addTemplate(kind: ModelKind, template: Template): void {
    this.#candidates.push({ kind, name: nameOf(template.file), template })
  }

  addTest(template: Template): void {
    this.#tests.push(template)
  }

  finish(): Project {
    this.#addRelations()
    this.#checkNames()
    const models = this.#candidates.flatMap((each) => this.#gather(() => this.#model(each)) ?? [])
    if (this.#problems.length > 0) throw new SettingsProblemsError(this.#problems)
    const enabled = models.filter(({ config }) => config.enabled)
    this.#checkReferences(enabled)
    checkTables(enabled)
    checkLambdas(enabled)
    const tests = this.#tests.map(
      (template): SingularTest => ({
        name: nameOf(template.file),
        file: template.file,
        template,
        dependsOn: template.refs,
      }),
    )
    return {
      directory: this.#options.directory,
      models: buildOrder(enabled),
      tests,
      sourceTable: (source, table) => this.#sourceTable(source, table),
      eventTimeOf: (table) => this.#eventTime(enabled, table),
    }
  }

  #eventTime(models: readonly Model[], table: TableIdentifier): string | undefined {
    const name = formatIdentifier(table)
    const model = models.find((each) => formatIdentifier(each.table) === name)
    if (model !== undefined) return model.config.eventTime
    const declared = this.#documents
      .flatMap(({ sources }) => sources)
      .flatMap((source) =>
        source.tables.map((each) => ({ ...each, full: `${source.schema}.${each.identifier}` })),
      )
    return declared.find(({ full, eventTime }) => full === name && eventTime !== undefined)
      ?.eventTime
  }

  /** A snapshot may consist of YAML alone; `relation` is then what it reads. */
  #addRelations(): void {
    for (const entry of this.#documents.flatMap(({ snapshots }) => snapshots)) {
      if (entry.relation === undefined) continue
      const file = `${entry.place.split(':')[0] ?? ''}#${entry.name}`
      const template = parseTemplate(`SELECT * FROM {{ ${entry.relation} }}`, file)
      this.#candidates.push({ kind: 'snapshot', name: entry.name, template })
    }
  }

  #checkNames(): void {
    const files = filesByName('models', this.#candidates)
    filesByName(
      'tests',
      this.#tests.map((template) => ({ name: nameOf(template.file), template })),
    )
    for (const { name, place } of this.#documents.flatMap((each) => this.#entries(each))) {
      if (files.has(name)) continue
      throw new ValidationError(
        `${place}: there is no model ${name}${didYouMean(name, [...files.keys()])}`,
      )
    }
  }

  #entries({ models, snapshots }: ModelDocument): readonly ModelEntry[] {
    return [...models, ...snapshots]
  }

  #model({ kind, name, template }: Candidate): Model {
    const entries = this.#documents
      .flatMap((document) => (kind === 'model' ? document.models : document.snapshots))
      .filter((entry) => entry.name === name)
    const config = parseModelConfig(kind, [
      ...entries.map((entry) => entry.config),
      inFileLayer(template),
    ])
    if (config.cron !== undefined) checkCron(config.cron, template.file)
    const table = parseTableName(
      `${config.schema ?? this.#options.namespace}.${config.alias ?? name}`,
    )
    const checksum = createHash('sha256')
      .update(JSON.stringify([template.text, kind, config.intervals, config.snapshot]))
      .digest('hex')
    return {
      kind,
      name,
      file: template.file,
      config,
      template,
      table,
      dependsOn: [...template.refs].sort(),
      sourceTables: template.sources.map(({ source, table: each }) =>
        this.#sourceTable(source, each),
      ),
      columns: entries.flatMap((entry) => entry.columns),
      checksum,
    }
  }

  #sourceTable(source: string, table: string): TableIdentifier {
    const declared = this.#documents
      .flatMap(({ sources }) => sources)
      .find(({ name }) => name === source)
    const declaredTable = declared?.tables.find(({ name }) => name === table)
    return parseTableName(`${declared?.schema ?? source}.${declaredTable?.identifier ?? table}`)
  }

  #checkReferences(models: readonly Model[]): void {
    const names = models.map(({ name }) => name)
    const disabled = new Set(this.#candidates.map(({ name }) => name))
    const users = [
      ...models.map(({ file, dependsOn }) => ({ file, dependsOn })),
      ...this.#tests.map(({ file, refs }) => ({ file, dependsOn: refs })),
    ]
    for (const { file, dependsOn } of users) {
      for (const name of dependsOn) {
        if (names.includes(name)) continue
        const why = disabled.has(name)
          ? 'is not enabled'
          : `does not exist${didYouMean(name, names)}`
        throw new ValidationError(`${file}: ref('${name}'): that model ${why}`)
      }
    }
  }

  /** Runs `work` and collects faults of the settings, which are thrown together at the end. */
  #gather<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof SettingsProblemsError)) throw error
      this.#problems.push(...error.problems)
      return undefined
    }
  }
}

function inFileLayer(template: Template): ConfigLayer {
  const lines = template.text.split('\n')
  const callLine = lines.findIndex((text) => text.includes('config('))
  const line = Math.max(0, callLine)
  const col = Math.max(0, lines[line]?.indexOf('config(') ?? 0)
  const position = { file: template.file, line: line + 1, col: col + 1 }
  const origin: Origin = { kind: 'file', position }
  return { values: template.config, originOf: () => origin }
}

function filesByName(
  what: string,
  parts: readonly Pick<Candidate, 'name' | 'template'>[],
): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { name, template } of parts) {
    const other = files.get(name)
    if (other !== undefined) {
      throw new ValidationError(
        `two ${what} are named ${name}: ${other} and ${template.file}: rename one`,
      )
    }
    files.set(name, template.file)
  }
  return files
}

/** Two models that write the same table would overwrite each other's rows. */
function checkTables(models: readonly Model[]): void {
  const owners = new Map<string, Model>()
  for (const model of models) {
    const key = formatIdentifier(model.table)
    const other = owners.get(key)
    if (other !== undefined) {
      throw new ValidationError(
        `${model.file} and ${other.file} write the same table ${key}: give one an alias`,
      )
    }
    owners.set(key, model)
  }
}

/**
 * The query of a lambda view reads tables. Over another lambda view it would miss the rows that the other one
 * computes at query time, so its result would differ from a full computation (B11).
 */
function checkLambdas(models: readonly Model[]): void {
  const views = models.filter(({ config }) => config.intervals?.lambda === true)
  for (const { file, name, dependsOn, sourceTables } of views) {
    const tables = new Set(sourceTables.map(formatIdentifier))
    const under = views.find(
      (each) =>
        each.name !== name &&
        (dependsOn.includes(each.name) || tables.has(formatIdentifier(each.table))),
    )
    if (under === undefined) continue
    throw new ValidationError(
      `${file}: lambda: true over ${under.name}, which is a lambda view itself (${under.file}): rows that ${under.name} computes at query time would be missing here: select from ${under.name}'s own sources, or leave lambda off in one of the two`,
    )
  }
}

function nameOf(file: string): string {
  return (file.split('/').at(-1) ?? file).replace(/\.sql$/, '')
}

/** Files below `folder`, relative to the project, sorted; none when there is no such folder. */
async function listFiles(directory: string, folder: string): Promise<readonly string[]> {
  const paths: string[] = []
  const visit = async (path: string): Promise<void> => {
    const entries = await readdir(join(directory, path), { withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return []
        throw error
      },
    )
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue
      const child = `${path}/${entry.name}`
      if (entry.isDirectory()) await visit(child)
      else if (entry.isFile()) paths.push(child)
      if (paths.length > filesMax) {
        throw new ValidationError('too many files in a project', {
          facts: { folder, max: filesMax },
        })
      }
    }
  }
  await visit(folder)
  return paths
}

async function readText(directory: string, file: string): Promise<string> {
  const text = await readFile(join(directory, file), 'utf8')
  if (text.length <= fileBytesMax) return text
  throw new ValidationError(`${file}: too long for a model`, { facts: { max: fileBytesMax } })
}
