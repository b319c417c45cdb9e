/** A child process as its parent sees it: started, called, killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import {
  CorruptDataError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  type Clock,
} from '../../common/index.ts'
import { moduleCommand, type Confinement } from './confinement.ts'
import type {
  CallMessage,
  ChildCallName,
  ChildCalls,
  ChildMessage,
  ChildSettings,
  QueryLimits,
  ReadyMessage,
  ReplyMessage,
} from './messages.ts'

export interface SandboxChildOptions {
  readonly confinement: Confinement
  readonly limits: QueryLimits
  /** Made for this child, removed when it has ended. */
  readonly directory: string
  readonly clock: Clock
}

interface PendingCall {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

/** child.ts in a clone, child.js when compiled. */
const program = fileURLToPath(
  new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
)
const startTimeoutMs = 30_000
const stderrCharactersMax = 2_000
/** For the driver and the rows that are being sent; DuckDB's memory has a limit of its own. */
const heapMegabytes = 512

export class SandboxChild {
  readonly #process: ChildProcess
  readonly #pending = new Map<number, PendingCall>()
  readonly #ended: Promise<void>
  #lastId = 0
  #stderrTail = ''
  #ready: ((message: ReadyMessage) => void) | undefined
  /** Set once no more calls are possible. */
  #failure: Error | undefined
  #hasCrashed = false

  /** Resolves when the child has sealed itself; throws UnavailableError when it does not come up. */
  static async start(options: SandboxChildOptions): Promise<SandboxChild> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 })
    const child = new SandboxChild(options)
    const waiting = new AbortController()
    const timeout = options.clock.sleep(startTimeoutMs, waiting.signal).then(
      () => child.kill(new UnavailableError('the process for queries did not start in time')),
      () => undefined,
    )
    try {
      const { networkRefusal } = await child.#whenReady({
        limits: options.limits,
        directory: options.directory,
      })
      if (options.confinement.isNetworkless && networkRefusal === undefined) {
        throw new UnavailableError('the process for queries has a network although it must not')
      }
      return child
    } catch (error) {
      child.kill(new UnavailableError('the process for queries did not start'))
      throw error
    } finally {
      waiting.abort(new Error('started'))
      await timeout
    }
  }

  private constructor({ confinement, directory }: SandboxChildOptions) {
    const nodeOptions = [`--max-old-space-size=${heapMegabytes}`, '--expose-gc']
    const command = confinement.confine(moduleCommand(program, nodeOptions))
    const [file = '', ...values] = command
    this.#process = spawn(file, values, {
      cwd: directory,
      // The parent's environment holds keys and settings, so the child gets none of it.
      env: { HOME: directory, PATH: '/usr/bin:/bin', TMPDIR: directory },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderrTail = (this.#stderrTail + text).slice(-stderrCharactersMax)
    })
    this.#process.on('message', (message: ChildMessage) => this.#receive(message))
    this.#ended = new Promise<void>((resolve) => {
      this.#process.once('error', (error) => {
        this.#fail(new UnavailableError(`cannot start the process for queries: ${error.message}`))
        resolve()
      })
      this.#process.once('close', (code, signal) => {
        this.#hasCrashed ||= this.#failure === undefined
        this.#fail(this.#ending(code, signal))
        resolve()
      })
    }).then(() => rm(directory, { recursive: true, force: true }))
  }

  get isAlive(): boolean {
    return this.#failure === undefined
  }

  /** True when the process ended without being killed by us. */
  get hasCrashed(): boolean {
    return this.#hasCrashed
  }

  get isBusy(): boolean {
    return this.#pending.size > 0
  }

  get processId(): number | undefined {
    return this.#process.pid
  }

  /** Rejects with the error that the child reports, or with the reason why it ended. */
  call<Name extends ChildCallName>(
    name: Name,
    ...values: Parameters<ChildCalls[Name]>
  ): Promise<Awaited<ReturnType<ChildCalls[Name]>>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const id = ++this.#lastId
    const message: CallMessage = { id, call: name, values }
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#process.send(message, (error) => {
        if (error === null) return
        this.#hasCrashed ||= this.#failure === undefined
        this.kill(new UnavailableError('the process for queries has ended'))
      })
    })
  }

  /** SIGKILL, at once; what is pending rejects with `reason`. */
  kill(reason: Error): void {
    this.#process.kill('SIGKILL')
    this.#fail(reason)
  }

  /** Kills the process and waits until it has ended and its folder is removed. */
  async stop(): Promise<void> {
    this.kill(new UnavailableError('the server is stopping'))
    await this.#ended
  }

  async #whenReady(settings: ChildSettings): Promise<ReadyMessage> {
    return new Promise((resolve, reject) => {
      this.#ready = resolve
      this.#pending.set(0, { resolve: () => undefined, reject })
      this.#process.send(settings)
    })
  }

  #receive(message: ChildMessage): void {
    if (message.kind === 'ready') {
      this.#pending.delete(0)
      this.#ready?.(message)
      return
    }
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.error === undefined) pending?.resolve(message.value as never)
    else pending?.reject(toError(message.error))
  }

  #ending(code: number | null, signal: NodeJS.Signals | null): Error {
    const lines = this.#stderrTail.trim().split('\n')
    const lastError = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1)
    return new UnavailableError(
      'the process that ran the query ended, by a crash of the engine or for lack of memory; only this query is lost',
      {
        facts: {
          exit: code ?? undefined,
          signal: signal ?? undefined,
          stderr: lastError === '' ? undefined : lastError,
        },
      },
    )
  }

  #fail(reason: Error): void {
    this.#failure ??= reason
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(this.#failure)
  }
}

const errorClasses = {
  CorruptDataError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} as const

function toError({ name, message }: NonNullable<ReplyMessage['error']>): Error {
  const errorClass = Object.entries(errorClasses).find(([className]) => className === name)?.[1]
  return errorClass === undefined ? new Error(message) : new errorClass(message)
}
