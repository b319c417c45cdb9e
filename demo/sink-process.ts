/** `tide stream run` as a process of its own, so that killing it is the real thing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { environmentEntries, UnavailableError, ValidationError } from '../common/index.ts'
import type { DemoProject } from './demo-project.ts'

const outputCharactersMax = 16_384

/** The launcher bin/tide.mjs in a clone, dist/bin/tide.js when compiled. */
export const tideProgram = fileURLToPath(
  new URL(`../bin/tide${import.meta.url.endsWith('.ts') ? '.mjs' : '.js'}`, import.meta.url),
)

export class SinkProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #mayEnd: boolean
  #output = ''
  #isKilled = false
  readonly #killWithUs = (): void => {
    this.#child.kill('SIGKILL')
  }

  /** With `untilLatest` it drains the log and ends; without, it runs until it is stopped. */
  constructor(project: DemoProject, untilLatest: boolean) {
    this.#mayEnd = untilLatest
    const command = ['stream', 'run', project.streamFile, '--work-dir', project.workDirectory]
    const until = untilLatest ? ['--until', 'latest'] : []
    const globals = ['--config', project.lakeFile, '--log-level', 'warn']
    const args = [tideProgram, ...globals, ...command, ...until]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: foreignSettingsRemoved(environmentEntries()),
    })
    this.#child = child
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-outputCharactersMax)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    process.once('exit', this.#killWithUs)
    this.#ended = new Promise<void>((resolve) => {
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
    return (
      this.#child.exitCode === null && this.#child.signalCode === null && this.pid !== undefined
    )
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  async kill(): Promise<void> {
    this.#isKilled = this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Throws when the process has ended by itself, unless it drained the log as it should. */
  throwFailure(): void {
    const { exitCode, signalCode } = this.#child
    if (this.isRunning || this.#isKilled || (this.#mayEnd && exitCode === 0)) return
    const said = this.#output.trim()
    throw new UnavailableError(
      `the sink ended by itself${said === '' ? '' : `, saying: ${said}`}`,
      {
        facts: { exitCode: exitCode ?? 'none', signal: signalCode ?? 'none' },
      },
    )
  }

  /** Throws ValidationError when the process was expected to be killed, but had ended. */
  requireKilled(): void {
    if (this.#child.signalCode === 'SIGKILL') return
    throw new ValidationError('the sink had ended before it could be killed', {
      facts: { exitCode: this.#child.exitCode ?? 'none' },
    })
  }
}

/** The demo's YAML files are the whole truth: the user's own warehouse must not come in by environment. */
export function foreignSettingsRemoved(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('TIDEWATER_')),
  )
}
