/** `tide` with a command, as a separate process, so that killing it is a real crash. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { environmentEntries } from '../common/index.ts'

const outputCharactersMax = 16_384

/** bin/tide.ts in a clone, dist/bin/tide.js when compiled. */
export const tideProgram = fileURLToPath(
  new URL(`../bin/tide${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
)

export class TideProcess {
  /** Resolves when the process has ended and its output was read. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  #output = ''
  readonly #killWithUs = (): void => {
    this.#child.kill('SIGKILL')
  }

  /** `onOutput` is given what the process writes to its standard output. */
  constructor(command: readonly string[], onOutput?: (text: string) => void) {
    // The same runtime flags, so that a clone's process loads TypeScript as this one does.
    const child = spawn(process.execPath, [...process.execArgv, tideProgram, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: withoutSettings(environmentEntries()),
    })
    this.#child = child
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-outputCharactersMax)
    }
    child.stdout.setEncoding('utf8').on('data', onOutput ?? keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    process.once('exit', this.#killWithUs)
    this.ended = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        keep(String(error))
        resolve()
      })
      child.once('close', () => resolve())
    }).then(() => {
      process.off('exit', this.#killWithUs)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isRunning(): boolean {
    return this.exitCode === null && this.signal === null && this.pid !== undefined
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode
  }

  /** The end of its output; without standard output when `onOutput` takes that. */
  get output(): string {
    return this.#output.trim()
  }

  /** False when the process had ended already. */
  send(signal: 'SIGINT' | 'SIGKILL'): boolean {
    return this.#child.kill(signal)
  }
}

/** Without the user's settings in the environment, which could name another warehouse. */
function withoutSettings(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('TIDEWATER_')),
  )
}
