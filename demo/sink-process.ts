/** `tide stream run` over the demo's flights. */
import { UnavailableError, ValidationError } from '../common/index.ts'
import type { DemoProject } from './demo-project.ts'
import { TideProcess } from './tide-process.ts'

export class SinkProcess {
  readonly #process: TideProcess
  readonly #mayEnd: boolean
  #isKilled = false

  /** With `untilLatest` it drains the log and ends; without, it runs until it is stopped. */
  constructor(project: DemoProject, untilLatest: boolean) {
    this.#mayEnd = untilLatest
    const command = ['stream', 'run', project.streamFile, '--work-dir', project.workDirectory]
    const until = untilLatest ? ['--until', 'latest'] : []
    const globals = ['--config', project.lakeFile, '--log-level', 'warn']
    this.#process = new TideProcess([...globals, ...command, ...until])
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get isRunning(): boolean {
    return this.#process.isRunning
  }

  /** By SIGKILL, so that no handler runs and nothing is flushed. */
  async kill(): Promise<void> {
    this.#isKilled = this.#process.send('SIGKILL')
    await this.#process.ended
  }

  /** Throws when the process has ended by itself, unless it drained the log as it should. */
  throwFailure(): void {
    const { exitCode, output, signal } = this.#process
    if (this.isRunning || this.#isKilled || (this.#mayEnd && exitCode === 0)) return
    throw new UnavailableError(
      `the sink ended by itself${output === '' ? '' : `, saying: ${output}`}`,
      { facts: { exitCode: exitCode ?? 'none', signal: signal ?? 'none' } },
    )
  }

  /** Throws ValidationError when the process was expected to be killed, but had ended. */
  requireKilled(): void {
    if (this.#process.signal === 'SIGKILL') return
    throw new ValidationError('the sink had ended before it could be killed', {
      facts: { exitCode: this.#process.exitCode ?? 'none' },
    })
  }
}
