/** `tide dev` over the demo's project, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { environmentEntries, UnavailableError } from '../common/index.ts'
import type { DemoProject } from './demo-project.ts'
import { foreignSettingsRemoved, tideProgram } from './sink-process.ts'

const outputCharactersMax = 16_384

export class DevProcess {
  /** Of its server. Rejects when the process ends before it listens. */
  readonly address: Promise<string>
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #errors = ''
  readonly #killWithUs = (): void => {
    this.#child.kill('SIGKILL')
  }

  constructor(project: DemoProject) {
    const command = ['dev', '--project', project.directory, '--port', '0', '--log-level', 'warn']
    const child = spawn(process.execPath, [tideProgram, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: foreignSettingsRemoved(environmentEntries()),
    })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-outputCharactersMax)
    })
    process.once('exit', this.#killWithUs)
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve())
      child.once('close', () => resolve())
    })
    this.address = this.#firstLine()
    // Whoever waits for it is told; until then it is no unhandled failure.
    this.address.catch(() => undefined)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** As Ctrl-C does. Throws when it does not end well. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT')
    await this.#settle()
    if (this.#child.exitCode === 0) return
    throw new UnavailableError(`tide dev did not end well, saying: ${this.#errors.trim()}`, {
      facts: { exitCode: this.#child.exitCode, signal: this.#child.signalCode },
    })
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#settle()
  }

  async #settle(): Promise<void> {
    await this.#ended
    process.off('exit', this.#killWithUs)
  }

  async #firstLine(): Promise<string> {
    let text = ''
    const line = new Promise<string>((resolve) => {
      this.#child.stdout?.setEncoding('utf8').on('data', (part: string) => {
        text += part
        const end = text.indexOf('\n')
        if (end !== -1) resolve(text.slice(0, end))
      })
    })
    const found = await Promise.race([line, this.#ended])
    if (found !== undefined) return found
    throw new UnavailableError(`tide dev did not start, saying: ${this.#errors.trim()}`)
  }
}
