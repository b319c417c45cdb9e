/** The shell's own commands, under the names of DuckDB's and SQLite's shells. */
import { createWriteStream, type WriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import {
  currentSchema,
  defaultPartitionSpec,
  partitionTermOf,
  formatType,
  formatIdentifier,
  formatNamespace,
} from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import { catalogTables } from '../bind/name-resolution.ts'
import { nearestNames } from '../bind/nearest-names.ts'
import { procedureUsage } from '../procedures/procedure.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'
import { visibleText } from './display-text.ts'
import { outputModes, type OutputMode } from './result-writer.ts'
import { streamSink } from './stream-sink.ts'
import { reportFailure, type Session } from './session.ts'

interface DotCommand {
  /** The argument, in help. */
  readonly takes?: string
  readonly help: string
  run(session: Session, args: readonly string[], runScript: ScriptRunner): Promise<void>
}

/** Runs the statements of a script; given, because scripts know commands and not the reverse. */
export type ScriptRunner = (session: Session, text: string) => Promise<void>

const commands: Readonly<Record<string, DotCommand>> = {
  help: { help: 'show these commands, and what CALL runs', run: showHelp },
  tables: { takes: '[TEXT]', help: 'list tables whose name holds TEXT', run: listTables },
  schema: { takes: '[TABLE]', help: 'show columns, partitioning, properties', run: showSchema },
  mode: { takes: 'MODE', help: `set the format: ${outputModes.join(', ')}`, run: setMode },
  timer: { takes: 'on|off', help: 'show the time of each statement', run: setTimer },
  bail: { takes: 'on|off', help: 'stop at the first error', run: setBail },
  maxrows: { takes: 'N', help: 'rows shown of a longer result', run: setRowsMax },
  read: { takes: 'FILE', help: 'run the statements of a file', run: readScript },
  output: { takes: '[FILE]', help: 'write results to a file, or here again', run: setOutput },
  quit: { help: 'leave', run: quit },
  exit: { help: 'leave', run: quit },
}

export const dotCommandNames: readonly string[] = Object.keys(commands).map((name) => `.${name}`)

/** Scripts may read scripts, at most so deep. */
const readDepthMax = 16
const readDepths = new WeakMap<Session, number>()
const outputFiles = new WeakMap<Session, WriteStream>()

/** Runs a line that begins with a dot. */
export async function runDotCommand(
  session: Session,
  line: string,
  runScript: ScriptRunner,
): Promise<void> {
  try {
    const [word = '', ...args] = splitWords(line.trim().slice(1))
    const command = Object.hasOwn(commands, word) ? commands[word] : undefined
    if (command === undefined) {
      const near = nearestNames(word, Object.keys(commands))
      const hint = near[0] === undefined ? '.help lists them' : `did you mean .${near[0]}?`
      throw new ValidationError(`there is no command .${word}; ${hint}`)
    }
    await command.run(session, args, runScript)
  } catch (error) {
    await reportFailure(session, error)
  }
}

/** Ends a file that `.output` opened. */
export async function closeOutput(session: Session): Promise<void> {
  const stream = outputFiles.get(session)
  session.output = session.standardOutput
  if (stream === undefined) return
  outputFiles.delete(session)
  stream.end()
  await finished(stream)
}

async function showHelp(session: Session): Promise<void> {
  const usages = Object.entries(commands).map(([name, { takes = '', help }]) => {
    return { usage: `.${name} ${takes}`.trimEnd(), help }
  })
  const width = Math.max(...usages.map(({ usage }) => usage.length))
  const lines = usages.map(({ usage, help }) => `${usage.padEnd(width)}  ${help}\n`)
  await session.output(lines.join(''))
  const { procedures } = session.engine
  if (procedures.length === 0) return
  const calls = procedures.map((each) => `CALL ${procedureUsage(each)}\n  ${each.summary}\n`)
  await session.output(calls.join(''))
}

async function listTables(session: Session, args: readonly string[]): Promise<void> {
  const part = args[0]?.toLowerCase() ?? ''
  const names = (await catalogTables(session.engine.catalog)).map(formatIdentifier)
  const matches = names.filter((name) => name.toLowerCase().includes(part))
  await session.output(matches.map((name) => `${visibleText(name)}\n`).join(''))
}

async function showSchema(session: Session, args: readonly string[]): Promise<void> {
  const requested = args[0]
  const tables = (await catalogTables(session.engine.catalog)).filter((identifier) => {
    if (requested === undefined) return true
    const full = formatIdentifier(identifier)
    const isDefault = formatNamespace(identifier.namespace) === session.defaultNamespace?.join('.')
    return full === requested || (isDefault && identifier.name === requested)
  })
  if (requested !== undefined && tables.length === 0) {
    throw new ValidationError(`there is no table ${requested}; .tables lists them`)
  }
  for (const identifier of tables) {
    const { metadata } = await session.engine.catalog.loadTable(identifier)
    const schema = currentSchema(metadata)
    const columns = schema.fields.map(({ name, type, required, doc }) => {
      const comment = doc === undefined ? '' : ` COMMENT ${quoteLiteral(visibleText(doc))}`
      return `  ${quoteIdentifier(visibleText(name))} ${formatType(type)}${required ? ' NOT NULL' : ''}${comment}`
    })
    const fields = defaultPartitionSpec(metadata).fields.map((field) => {
      const source = schema.fields.find(({ id }) => id === field.sourceId)?.name
      return partitionTermOf(source ?? `#${field.sourceId}`, field)
    })
    const partitioned =
      fields.length === 0 ? '' : `\nPARTITIONED BY (${visibleText(fields.join(', '))})`
    await session.output(
      `CREATE TABLE ${visibleText(formatIdentifier(identifier))} (\n${columns.join(',\n')}\n)${partitioned}\nLOCATION ${quoteLiteral(visibleText(metadata.location))};\n`,
    )
  }
}

async function setMode(session: Session, args: readonly string[]): Promise<void> {
  const mode = args[0]
  if (!isMode(mode)) {
    throw new ValidationError(`expected .mode ${outputModes.join('|')}`, { facts: { mode } })
  }
  session.mode = mode
}

async function setTimer(session: Session, args: readonly string[]): Promise<void> {
  session.timer = isOn('.timer', args)
}

async function setBail(session: Session, args: readonly string[]): Promise<void> {
  session.bail = isOn('.bail', args)
}

async function setRowsMax(session: Session, args: readonly string[]): Promise<void> {
  const rows = Number(args[0])
  if (!Number.isInteger(rows) || rows < 1) throw new ValidationError('expected .maxrows N, N > 0')
  session.rowsMax = rows
}

async function readScript(
  session: Session,
  args: readonly string[],
  runScript: ScriptRunner,
): Promise<void> {
  const [path] = args
  if (path === undefined) throw new ValidationError('expected .read FILE')
  const depth = readDepths.get(session) ?? 0
  if (depth >= readDepthMax) throw new ValidationError('too many files read one from another')
  const text = await readTextFile(path)
  readDepths.set(session, depth + 1)
  try {
    await runScript(session, text)
  } finally {
    readDepths.set(session, depth)
  }
}

async function setOutput(session: Session, args: readonly string[]): Promise<void> {
  await closeOutput(session)
  const [path] = args
  if (path === undefined || path === 'stdout') return
  const stream = createWriteStream(path)
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve())
    stream.once('error', (error) =>
      reject(new ValidationError(`cannot write ${path}: ${error.message}`)),
    )
  })
  outputFiles.set(session, stream)
  session.output = streamSink(stream)
}

async function quit(session: Session): Promise<void> {
  session.ended = true
}

/** Reads a script; the error names the file. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new ValidationError(`cannot read ${path}: ${(error as Error).message}`, { cause: error })
  }
}

function isMode(text: string | undefined): text is OutputMode {
  return (outputModes as readonly (string | undefined)[]).includes(text)
}

function isOn(command: string, args: readonly string[]): boolean {
  const [word] = args
  if (word === 'on' || word === 'off') return word === 'on'
  throw new ValidationError(`expected ${command} on or off`)
}

/** Words separated by blanks; quotes keep blanks inside a word. */
function splitWords(text: string): readonly string[] {
  const words = text.match(/"(?:[^"]|"")*"|'(?:[^']|'')*'|\S+/g) ?? []
  return words.map((word) => {
    const quote = word.charAt(0)
    const isQuoted = (quote === '"' || quote === "'") && word.length > 1 && word.endsWith(quote)
    return isQuoted ? word.slice(1, -1).replaceAll(quote + quote, quote) : word
  })
}
