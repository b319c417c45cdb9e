/**
 * What every command is given: streams, environment, the global flags, and from them settings, the
 * lake and the logger, each made when a command first asks for it.
 */
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Lake } from '../../app/index.ts'
import { type Clock, type Logger, errorMessage } from '../../common/index.ts'
import type { LakeSettings, SettingsSources } from '../../app/settings/index.ts'
import type { Loaded, SettingOverride } from '../../settings/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { UsageError } from './failure.ts'
import { type LogFormat, type LogLevel, createLogger, logLevels } from './logging.ts'
import {
  type OutputFormat,
  type Report,
  type Row,
  formatRecord,
  formatReport,
  parseOutputFormat,
} from './output.ts'
import { type Progress, createProgress } from './progress.ts'

export interface CliStreams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
}

export interface GlobalOptions {
  readonly config?: string
  readonly warehouse?: string
  readonly uri?: string
  readonly set: readonly string[]
  readonly envFile?: string
  /** Every `-o` in order; `topic consume` also takes an offset there, as kcat does. */
  readonly output: readonly string[]
  readonly logLevel?: string
  readonly logFormat?: string
  readonly debug?: boolean
}

export interface LoadedStream extends Loaded<StreamSettings> {
  readonly file: string
}

/**
 * `fill`: the stream's table may be made, so what it could never hold is refused. Who only reads the
 * settings goes without: one faulty file must not keep from topics and tables that are there.
 */
export type StreamPurpose = 'fill'

export interface CliContextParts {
  readonly streams: CliStreams
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly directory: string
  readonly clock: Clock
  /** Aborted by SIGINT and SIGTERM: stop in an orderly way. */
  readonly signal: AbortSignal
}

const streamFilesMax = 1_000

export class CliContext {
  readonly streams: CliStreams
  readonly directory: string
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly #environment: Readonly<Record<string, string | undefined>>
  #globals: () => GlobalOptions = () => ({ set: [], output: [] })
  #sources: Promise<SettingsSources> | undefined
  #logger: Promise<Logger> | undefined
  #progress: Progress | undefined
  readonly #added: SettingOverride[] = []
  readonly #closers: (() => Promise<void>)[] = []

  constructor(parts: CliContextParts) {
    this.streams = parts.streams
    this.directory = parts.directory
    this.clock = parts.clock
    this.signal = parts.signal
    this.#environment = parts.environment
  }

  /** Called once by the program, which knows the flags only after parsing. */
  bindGlobals(globals: () => GlobalOptions): void {
    this.#globals = globals
  }

  get globals(): GlobalOptions {
    return this.#globals()
  }

  environment(name: string): string | undefined {
    return this.#environment[name]
  }

  /** The environment with the names of `--env-file` that it lacks. */
  async wholeEnvironment(): Promise<Readonly<Record<string, string | undefined>>> {
    return (await this.#settingsSources()).environment
  }

  get debug(): boolean {
    return this.globals.debug === true || this.#isOn('TIDEWATER_DEBUG')
  }

  /** Colours only at a terminal, and not when NO_COLOR is set (no-color.org). */
  get color(): boolean {
    const refused = (this.#environment['NO_COLOR'] ?? '') !== ''
    return this.streams.stdout.isTTY === true && !refused && this.#environment['TERM'] !== 'dumb'
  }

  get format(): OutputFormat {
    const word = this.globals.output.at(-1) ?? this.#environment['TIDEWATER_OUTPUT']
    return word === undefined ? 'table' : parseOutputFormat(word)
  }

  async print(report: Report): Promise<void> {
    this.write(await formatReport(report, this.format))
  }

  async printRecord(record: Row): Promise<void> {
    this.write(await formatRecord(record, this.format))
  }

  write(text: string): void {
    this.streams.stdout.write(text)
  }

  /** A line for the person, beside the results. */
  note(line: string): void {
    this.progress.print(line)
  }

  get progress(): Progress {
    this.#progress ??= createProgress(this.streams.stderr, this.clock)
    return this.#progress
  }

  logger(): Promise<Logger> {
    this.#logger ??= createLogger({
      level: this.#logLevel(),
      format: this.#logFormat(),
      clock: this.clock,
      print: (line) => this.progress.print(line),
    })
    return this.#logger
  }

  /** From `named`, else `--config`, else the `tidewater.yaml` here or beside the streams. */
  async loadLake(
    streamFiles: readonly string[] = [],
    named: string | undefined = this.configFile,
  ): Promise<Loaded<LakeSettings>> {
    const { findLakeFile, loadLakeSettings } = await import('../../app/settings/index.ts')
    const sources = await this.#settingsSources()
    return loadLakeSettings(findLakeFile(this.directory, named, streamFiles), sources)
  }

  /** The file named by `--config` or the environment, when one is named. */
  get configFile(): string | undefined {
    return this.globals.config ?? this.#environment['TIDEWATER_CONFIG']
  }

  async loadStream(file: string, purpose?: StreamPurpose): Promise<LoadedStream> {
    const { loadStreamSettings } = await import('../../app/settings/index.ts')
    const sources = await this.#settingsSources()
    if (purpose === undefined) return { file, ...(await loadStreamSettings(file, sources)) }
    const { tableFaults } = await import('../../ingest/index.ts')
    return { file, ...(await loadStreamSettings(file, sources, tableFaults)) }
  }

  /** All stream files or none: every fault of every file in one message. */
  async loadStreams(
    files: readonly string[],
    purpose?: StreamPurpose,
  ): Promise<readonly LoadedStream[]> {
    const { SettingsProblemsError } = await import('../../settings/index.ts')
    const loaded: LoadedStream[] = []
    const problems = []
    for (const file of files) {
      try {
        loaded.push(await this.loadStream(file, purpose))
      } catch (error) {
        if (!(error instanceof SettingsProblemsError)) throw error
        problems.push(...error.problems)
      }
    }
    if (problems.length > 0) throw new SettingsProblemsError(problems)
    return loaded
  }

  /** Files as named; a directory stands for the YAML files in it; nothing stands for `streams/`. */
  async streamFiles(named: readonly string[]): Promise<readonly string[]> {
    const files: string[] = []
    for (const name of named.length === 0 ? ['streams'] : named) {
      files.push(...(await this.#expand(name, named.length === 0)))
    }
    if (files.length === 0) {
      throw new UsageError('no stream files: name them, or put them into streams/*.yaml')
    }
    return files
  }

  async openLake(streamFiles: readonly string[] = []): Promise<Lake> {
    const { settings } = await this.loadLake(streamFiles)
    const { openLake } = await import('../../app/index.ts')
    const lake = await openLake(settings, { clock: this.clock, logger: await this.logger() })
    this.onClose(() => lake.close())
    return lake
  }

  /** Runs when the command ends, however it ends, last first. */
  onClose(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    this.#progress?.done()
    for (const close of this.#closers.splice(0).reverse()) await close()
  }

  async #settingsSources(): Promise<SettingsSources> {
    this.#sources ??= this.#makeSources()
    return this.#sources
  }

  async #makeSources(): Promise<SettingsSources> {
    const { envFile } = this.globals
    const { withEnvFile } = await import('../../app/settings/index.ts')
    const environment =
      envFile === undefined
        ? this.#environment
        : await withEnvFile(this.#environment, envFile, this.directory)
    return { environment, overrides: this.#overrides(), directory: this.directory }
  }

  /** Settings from flags of one command; before anything is loaded. */
  addOverrides(overrides: readonly SettingOverride[]): void {
    this.#added.push(...overrides)
  }

  #overrides(): readonly SettingOverride[] {
    const { warehouse, uri, set } = this.globals
    const named: SettingOverride[] = []
    if (warehouse !== undefined) {
      named.push({ path: 'catalog.warehouse', value: warehouse, flag: '--warehouse' })
    }
    if (uri !== undefined) named.push({ path: 'catalog.uri', value: uri, flag: '--uri' })
    const pairs = set.map((pair): SettingOverride => {
      const split = pair.indexOf('=')
      if (split < 1) throw new UsageError(`--set takes path=value, found "${pair}"`)
      return { path: pair.slice(0, split).trim(), value: pair.slice(split + 1), flag: '--set' }
    })
    return [...named, ...pairs, ...this.#added]
  }

  async #expand(name: string, optional: boolean): Promise<readonly string[]> {
    const path = resolve(this.directory, name)
    const stats = await stat(path).catch((error: unknown) => {
      if (optional) return undefined
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      throw new UsageError(`cannot read ${name}: ${missing ? 'no such file' : errorMessage(error)}`)
    })
    if (stats === undefined) return []
    if (!stats.isDirectory()) return [name]
    const entries = await readdir(path)
    if (!optional && !entries.some((entry) => /\.ya?ml$/.test(entry))) {
      throw new UsageError(`${name} is a directory without stream files`)
    }
    return entries
      .filter((entry) => /\.ya?ml$/.test(entry))
      .sort()
      .slice(0, streamFilesMax)
      .map((entry) => join(name, entry))
  }

  #logLevel(): LogLevel {
    const word = this.globals.logLevel ?? this.#environment['TIDEWATER_LOG_LEVEL']
    if (word === undefined) return this.debug ? 'debug' : 'info'
    const level = logLevels.find((candidate) => candidate === word)
    if (level === undefined) {
      throw new UsageError(`unknown log level "${word}" (${logLevels.join(', ')})`)
    }
    return level
  }

  #logFormat(): LogFormat {
    const word = this.globals.logFormat ?? this.#environment['TIDEWATER_LOG_FORMAT']
    if (word === undefined) return this.streams.stderr.isTTY === true ? 'text' : 'json'
    if (word === 'text' || word === 'json') return word
    throw new UsageError(`unknown log format "${word}" (text, json)`)
  }

  #isOn(variable: string): boolean {
    return ['1', 'true', 'yes'].includes((this.#environment[variable] ?? '').toLowerCase())
  }
}
