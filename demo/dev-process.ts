/** `tide dev` over the demo's project. */
import { UnavailableError } from '../common/index.ts'
import type { DemoProject } from './demo-project.ts'
import { TideProcess } from './tide-process.ts'

export class DevProcess {
  /** The address of its server. Rejects when the process ends before it listens. */
  readonly address: Promise<string>
  readonly #process: TideProcess

  constructor(project: DemoProject) {
    const command = ['dev', '--project', project.directory, '--port', '0', '--log-level', 'warn']
    const { promise, onOutput } = firstLine()
    this.#process = new TideProcess(command, onOutput)
    this.address = Promise.race([promise, this.#endedEarly()])
    // It is awaited later; until then its rejection must not count as unhandled.
    this.address.catch(() => undefined)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** As Ctrl-C does. Throws when it does not end well. */
  async stop(): Promise<void> {
    this.#process.send('SIGINT')
    await this.#process.ended
    const { exitCode, output, signal } = this.#process
    if (exitCode === 0) return
    throw new UnavailableError(`tide dev did not end well, saying: ${output}`, {
      facts: { exitCode, signal },
    })
  }

  async kill(): Promise<void> {
    this.#process.send('SIGKILL')
    await this.#process.ended
  }

  async #endedEarly(): Promise<never> {
    await this.#process.ended
    throw new UnavailableError(`tide dev did not start, saying: ${this.#process.output}`)
  }
}

/** The first line of what is given to `onOutput` part by part. */
function firstLine(): { promise: Promise<string>; onOutput: (part: string) => void } {
  let text = ''
  let resolve: (line: string) => void
  const promise = new Promise<string>((settle) => {
    resolve = settle
  })
  const onOutput = (part: string): void => {
    text += part
    const end = text.indexOf('\n')
    if (end !== -1) resolve(text.slice(0, end))
  }
  return { promise, onOutput }
}
