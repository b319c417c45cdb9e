/** The interactive shell, and the same over a pipe, over streams that the caller gives. */
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { errorMessage } from '../../common/index.ts'
import { completer } from './completion.ts'
import { closeOutput, readTextFile } from './dot-commands.ts'
import { runScript, scriptFeeder, type ScriptFeeder } from './run-script.ts'
import {
  createSession,
  isOver,
  promptOf,
  reportFailure,
  type Session,
  type SessionOptions,
} from './session.ts'
import { streamSink } from './stream-sink.ts'

export interface ShellOptions extends Omit<SessionOptions, 'output' | 'messages' | 'width'> {
  readonly input: Readable
  readonly output: Writable
  readonly errors: Writable
  /** A person is typing: prompt, line editing, history, completion. */
  readonly interactive: boolean
  readonly historyPath?: string
  /** Script that is run before anything else (`-init`). */
  readonly initPath?: string
}

export interface ScriptOptions extends Omit<SessionOptions, 'output' | 'messages' | 'width'> {
  readonly output: Writable
  readonly errors: Writable
  readonly initPath?: string
}

const historyLinesMax = 1000

/** Runs `script` (`-c`, `-f`); returns how many statements failed. */
export async function runStatements(options: ScriptOptions, script: string): Promise<number> {
  const session = openSession(options)
  if (options.initPath !== undefined) await runFile(session, options.initPath)
  if (!isOver(session)) await runScript(session, script)
  await closeOutput(session)
  return session.failures
}

/** Runs until the input ends or `.quit`; returns how many statements failed. */
export async function runShell(options: ShellOptions): Promise<number> {
  const session = openSession(options)
  if (options.initPath !== undefined) await runFile(session, options.initPath)
  if (!isOver(session)) {
    if (options.interactive) await runInteractive(session, options)
    else await runPiped(session, options.input)
  }
  await closeOutput(session)
  return session.failures
}

function openSession(options: ScriptOptions): Session {
  const { output, errors, ...rest } = options
  return createSession({
    ...rest,
    output: streamSink(output),
    messages: streamSink(errors),
    width: () => widthOf(output),
  })
}

async function runFile(session: Session, path: string): Promise<void> {
  try {
    await runScript(session, await readTextFile(path))
  } catch (error) {
    await reportFailure(session, error)
  }
}

async function runPiped(session: Session, input: Readable): Promise<void> {
  const feeder = scriptFeeder(session)
  const lines = createInterface({
    input,
    crlfDelay: Number.POSITIVE_INFINITY,
    ...(session.signal === undefined ? {} : { signal: session.signal }),
  })
  for await (const line of lines) {
    await feeder.feed(line)
    if (isOver(session)) break
  }
  await feeder.end()
}

async function runInteractive(session: Session, options: ShellOptions): Promise<void> {
  const complete = completer(session.engine.catalog)
  const history = await loadHistory(options.historyPath)
  await session.messages('tidewater sql shell; .help for commands, .quit or Ctrl-D to leave\n')
  // From here on nothing may be awaited before the lines are listened to, or some are lost.
  const terminal = createInterface({
    input: options.input,
    output: options.output,
    terminal: true,
    history,
    historySize: historyLinesMax,
    ...(session.signal === undefined ? {} : { signal: session.signal }),
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: Error | null, result: [string[], string]) => void) => {
      void complete(line).then(
        ({ candidates, replaced }) => done(null, [[...candidates], replaced]),
        () => done(null, [[], line]),
      )
    },
  })
  const feeder = scriptFeeder(session)
  await readLines(terminal, session, feeder, (line) => saveLine(options.historyPath, line))
  await feeder.end()
}

/** One line at a time; Ctrl-C cancels the running query, or the statement being typed. */
function readLines(
  terminal: Interface,
  session: Session,
  feeder: ScriptFeeder,
  save: (line: string) => Promise<void>,
): Promise<void> {
  let running: AbortController | undefined
  let work: Promise<void> = Promise.resolve()
  const prompt = (): void => {
    terminal.setPrompt(feeder.isOpen() ? '  ...> ' : promptOf(session))
    terminal.prompt()
  }
  const runLine = async (line: string): Promise<void> => {
    if (line.trim() !== '') await save(line)
    running = new AbortController()
    await feeder.feed(line, running.signal)
    running = undefined
    if (isOver(session)) terminal.close()
    else prompt()
  }
  terminal.on('line', (line) => {
    work = work.then(() => runLine(line))
  })
  terminal.on('SIGINT', () => {
    if (running !== undefined) {
      running.abort(new Error('cancelled by the user'))
      return
    }
    feeder.clear()
    terminal.write(null, { ctrl: true, name: 'u' })
    prompt()
  })
  prompt()
  return new Promise((resolve) => {
    terminal.on('close', () => {
      void work.then(resolve)
    })
  })
}

/** A terminal of unknown width reports 0. */
function widthOf(output: Writable): number | undefined {
  const { columns = 0 } = output as Partial<NodeJS.WriteStream>
  return columns > 0 ? columns : undefined
}

/** Newest first, as readline expects it. */
async function loadHistory(path: string | undefined): Promise<string[]> {
  if (path === undefined) return []
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
    return lines.slice(-historyLinesMax).reverse()
  } catch {
    // No history yet, or none that can be read: the shell works without.
    return []
  }
}

async function saveLine(path: string | undefined, line: string): Promise<void> {
  if (path === undefined) return
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await appendFile(path, `${line}\n`, { mode: 0o600 })
  } catch (error) {
    // A full or read-only home must not stop the work.
    void errorMessage(error)
  }
}
