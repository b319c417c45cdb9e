/** The command for tests: in this process, where it is quick, or as a child, where signals matter. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { runCli } from '../../cli/index.ts'
import { environment } from '../../common/index.ts'
import { repositoryRoot } from './services/index.ts'

export interface TideOptions {
  readonly directory: string
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** For output that is no text. */
  readonly onStdout?: (chunk: Buffer) => void
}

export interface TideOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** `args` as one text is split at spaces. */
export async function tide(
  args: string | readonly string[],
  options: TideOptions,
): Promise<TideOutcome> {
  const [stdout, stderr] = [new TextSink(options.onStdout), new TextSink()]
  const code = await runCli({
    args: typeof args === 'string' ? args.split(' ') : args,
    streams: {
      stdin: Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]),
      stdout,
      stderr,
    },
    environment: { TIDEWATER_LOG_LEVEL: 'warn', ...options.environment },
    directory: options.directory,
    signal: options.signal ?? new AbortController().signal,
  })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

/** The rows that a command prints with `-o json`. */
export async function tideRows(
  args: string,
  options: TideOptions,
): Promise<readonly Record<string, unknown>[]> {
  const { code, stderr, stdout } = await tide(`${args} -o json`, options)
  if (code !== 0) throw new Error(`tide ${args} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as readonly Record<string, unknown>[]
}

/** A process of its own; the caller ends it. */
export function spawnTide(args: readonly string[], options: TideOptions): ChildProcess {
  const command = ['--import', 'tsx', join(repositoryRoot, 'bin/tide.ts'), ...args]
  // tsx is found from the repository, so the project's folder is entered by the command itself.
  return spawn(process.execPath, command, {
    cwd: repositoryRoot,
    env: { PATH: environment('PATH'), HOME: options.directory, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

export function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  const ended = child.exitCode ?? child.signalCode
  if (ended !== null) return Promise.resolve(ended)
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal))
  })
}

/** The first whole line of stdout that `matches`. */
export function lineOf(child: ChildProcess, matches: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const line = text.split('\n').find((candidate) => matches.test(candidate))
      if (line !== undefined) resolve(line)
    })
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${text}`)))
  })
}

class TextSink extends Writable {
  text = ''
  readonly #onChunk: ((chunk: Buffer) => void) | undefined
  constructor(onChunk?: (chunk: Buffer) => void) {
    super()
    this.#onChunk = onChunk
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#onChunk?.(chunk)
    this.text += chunk.toString()
    done()
  }
}
