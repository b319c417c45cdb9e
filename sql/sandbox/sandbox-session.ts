/** A query's session in a locked-down child, within its time. */
import {
  UnavailableError,
  ValidationError,
  errorMessage,
  isJsonObject,
  parseJson,
  type Clock,
} from '../../common/index.ts'
import type { Constant } from '../text/constant-value.ts'
import type { ParameterValues } from '../text/placeholders.ts'
import type {
  FooterRow,
  QuerySession,
  RelationDefinition,
  SessionRows,
} from '../session/query-session.ts'
import { residentBytesMax, watchMemory } from './memory-watch.ts'
import type { ChildCallName, ChildCalls, QueryLimits } from './messages.ts'
import type { SandboxChild } from './sandbox-child.ts'

export interface SandboxSessionOptions {
  readonly child: SandboxChild
  readonly clock: Clock
  readonly timeoutMs: number
  readonly limits: QueryLimits
  /** Takes the child back; `isClean`: it can serve the next query. */
  readonly release: (isClean: boolean) => void
}

/** How long an interrupted query may go on before its process is killed. */
const interruptGraceMs = 1_000

export class SandboxSession implements QuerySession {
  readonly #options: SandboxSessionOptions
  readonly #timer = new AbortController()
  #cancelled: Error | undefined
  #isClosed = false

  constructor(options: SandboxSessionOptions) {
    this.#options = options
    const { child, timeoutMs } = options
    this.#after(timeoutMs, () => {
      const seconds = timeoutMs / 1000
      child.kill(
        new UnavailableError(
          `the query took longer than ${seconds} s and was ended: filter more, or raise query.timeout`,
        ),
      )
    })
    this.#watchMemory()
  }

  async open(): Promise<void> {
    await this.#call('open')
  }

  serialize(sql: string): Promise<string> {
    return this.#call('serialize', sql)
  }

  deserialize(tree: string): Promise<string> {
    return this.#call('deserialize', tree)
  }

  constants(select: string): Promise<readonly (Constant | undefined)[]> {
    return this.#call('constants', select)
  }

  begin(): Promise<void> {
    return this.#call('begin')
  }

  restart(): Promise<void> {
    return this.#call('restart')
  }

  footers(paths: readonly string[]): Promise<readonly FooterRow[]> {
    return this.#call('footers', paths)
  }

  createRelations(relations: readonly RelationDefinition[]): Promise<void> {
    return this.#call('createRelations', relations)
  }

  async stream(
    text: string,
    files: readonly string[],
    values: ParameterValues = {},
  ): Promise<SessionRows> {
    const columns = await this.#call('stream', text, files, values)
    return { columns, next: () => this.#call('next') }
  }

  interrupt(): void {
    if (this.#isClosed || this.#cancelled !== undefined) return
    const cancelled = new UnavailableError('the query was cancelled')
    this.#cancelled = cancelled
    const { child } = this.#options
    if (!child.isBusy) return
    child.call('interrupt').catch(() => undefined)
    this.#after(interruptGraceMs, () => {
      if (child.isBusy) child.kill(cancelled)
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { child, release } = this.#options
    const isIdle = child.isAlive && !child.isBusy
    if (!isIdle) {
      this.#timer.abort(new Error('closed'))
      if (child.isAlive) child.kill(new UnavailableError('the query was given up'))
      release(false)
      return
    }
    // The caller does not wait for the few milliseconds of cleaning up; the query's time limit still holds.
    void child
      .call('close')
      .then(
        () => release(true),
        () => release(false),
      )
      .finally(() => this.#timer.abort(new Error('closed')))
  }

  async #call<Name extends ChildCallName>(
    name: Name,
    ...values: Parameters<ChildCalls[Name]>
  ): Promise<Awaited<ReturnType<ChildCalls[Name]>>> {
    if (this.#cancelled !== undefined) throw this.#cancelled
    const { child, limits } = this.#options
    try {
      return await child.call(name, ...values)
    } catch (error) {
      throw outOfMemoryError(error, limits) ?? error
    }
  }

  #watchMemory(): void {
    const { child, clock, limits } = this.#options
    if (child.processId === undefined) return
    void watchMemory({
      processId: child.processId,
      bytesMax: residentBytesMax(limits),
      clock,
      signal: this.#timer.signal,
      onExceeded: (bytes) => {
        child.kill(
          new ValidationError(
            'the query took more memory than the server gives to one and was ended: filter more, ask for smaller values, or raise query.memory',
            { facts: { 'query.memory': limits.memoryBytesMax, resident: bytes } },
          ),
        )
      },
    })
  }

  #after(ms: number, act: () => void): void {
    this.#options.clock.sleep(ms, this.#timer.signal).then(act, () => undefined)
  }
}

/** DuckDB advises to change settings that are locked here, so the message names ours instead. */
function outOfMemoryError(error: unknown, limits: QueryLimits): Error | undefined {
  const message = errorMessage(error)
  if (!message.startsWith('{"exception_type":"Out of Memory"')) return undefined
  const facts = parseJson(message)
  const exceptionMessage = isJsonObject(facts) ? String(facts['exception_message']) : ''
  const [reason = ''] = exceptionMessage.split(/\n\nPossible solutions/)
  return new ValidationError(
    `the query ran out of memory: ${reason.trim()}; filter more, or raise query.memory or query.max_temp_bytes`,
    {
      facts: {
        'query.memory': limits.memoryBytesMax,
        'query.max_temp_bytes': limits.tempBytesMax,
      },
      cause: error,
    },
  )
}
