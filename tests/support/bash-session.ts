/** One bash that runs commands one after another, as a person types them: `cd` and aliases last. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

export interface CommandOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export class BashSession {
  readonly #child: ChildProcess
  readonly #folder: string
  #answers: readonly string[] = []
  #rest = ''
  #wake: () => void = () => undefined
  #isOver = false

  /** Keeps its files in `folder` and starts in `directory`. */
  constructor(folder: string, directory: string, environment: Readonly<Record<string, string>>) {
    this.#folder = folder
    // A group of its own, so that what runs in its background can be ended with it.
    this.#child = spawn('bash', ['--noprofile', '--norc'], {
      cwd: directory,
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      this.#answers = [...this.#answers, ...lines]
      this.#wake()
    })
    this.#child.on('exit', () => {
      this.#isOver = true
      this.#wake()
    })
    this.#child.stdin?.write('shopt -s expand_aliases\n')
  }

  async run(command: string): Promise<CommandOutcome> {
    const path = (name: string): string => join(this.#folder, name)
    const [script, out, err] = [path('command.sh'), path('stdout'), path('stderr')]
    await writeFile(script, `${command}\n`)
    const answer = await this.#ask(
      `source '${script}' </dev/null >'${out}' 2>'${err}'; printf '%s\\n' "$?"\n`,
    )
    return {
      code: Number(answer),
      stdout: await readFile(out, 'utf8'),
      stderr: await readFile(err, 'utf8'),
    }
  }

  /** Runs on while other commands run; `line` resolves when it has printed one. */
  async start(command: string): Promise<{ line(): Promise<string> }> {
    const out = join(this.#folder, 'background')
    await rm(out, { force: true })
    const script = join(this.#folder, 'background.sh')
    await writeFile(script, `${command}\n`)
    // No job control here: the command stays in the group and ends with it.
    await this.#ask(`source '${script}' </dev/null >'${out}' 2>&1; printf '%s\\n' "$!"\n`)
    return { line: () => firstLine(out) }
  }

  async directory(): Promise<string> {
    return this.#ask('pwd\n')
  }

  close(): void {
    if (this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // All of it has ended already.
    }
  }

  async #ask(line: string): Promise<string> {
    this.#child.stdin?.write(line)
    for (;;) {
      const [answer, ...others] = this.#answers
      if (answer !== undefined) {
        this.#answers = others
        return answer
      }
      if (this.#isOver) throw new Error(`bash has ended: line=${line}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

async function firstLine(file: string): Promise<string> {
  let text = ''
  return eventually(
    async () => {
      text = await readFile(file, 'utf8').catch(() => '')
      return text.split('\n').find((each) => each.startsWith('http'))
    },
    () => `no address: ${text}`,
  )
}
