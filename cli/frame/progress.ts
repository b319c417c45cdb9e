/**
 * One line on a terminal for long work, rewritten in place; nothing at all where there is no terminal,
 * so that logs of a service and of CI stay free of it.
 */
import { type Clock, formatDuration, systemClock } from '../../common/index.ts'

export interface ProgressFields {
  /** What is being worked on, for example the stream's name. */
  readonly label?: string
  readonly records?: number | bigint
  readonly recordsPerSecond?: number
  /** Records still to come; with a rate it gives the remaining time. */
  readonly lag?: number | bigint
  readonly commits?: number
  readonly deadLetters?: number | bigint
  /** Remaining time, when the caller knows better than lag and rate. */
  readonly remainingMs?: number
}

export interface Progress {
  /** Shows the newest figures; calls in quick succession are drawn at most five times a second. */
  update(fields: ProgressFields): void
  /** Prints a line above the progress line (a log line, for example). */
  print(line: string): void
  /** Takes the line away; later calls of `update` do nothing. */
  done(): void
}

/** The part of a terminal that progress needs. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const drawEveryMs = 200
const clearLine = '\r\u001B[2K'

export function createProgress(stream: ProgressStream, clock: Clock = systemClock): Progress {
  if (stream.isTTY !== true) {
    return {
      update: () => undefined,
      print: (line) => {
        stream.write(`${line}\n`)
      },
      done: () => undefined,
    }
  }
  return new TerminalProgress(stream, clock)
}

class TerminalProgress implements Progress {
  readonly #stream: ProgressStream
  readonly #clock: Clock
  #line = ''
  #drawnMs = Number.NEGATIVE_INFINITY
  #finished = false

  constructor(stream: ProgressStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  update(fields: ProgressFields): void {
    if (this.#finished) return
    const nowMs = this.#clock.monotonic()
    this.#line = progressLine(fields).slice(0, Math.max(10, this.#width - 1))
    if (nowMs - this.#drawnMs < drawEveryMs) return
    this.#drawnMs = nowMs
    this.#stream.write(clearLine + this.#line)
  }

  /** A terminal of unknown width reports 0. */
  get #width(): number {
    const { columns } = this.#stream
    return columns === undefined || columns === 0 ? 80 : columns
  }

  print(line: string): void {
    const again = this.#finished ? '' : this.#line
    this.#stream.write(`${again === '' ? '' : clearLine}${line}\n${again}`)
  }

  done(): void {
    if (this.#finished) return
    this.#finished = true
    if (this.#line !== '') this.#stream.write(clearLine)
  }
}

/** `events  1,200,000 records  512,000/s  lag 40,000  commits 3  1.2s left` */
export function progressLine(fields: ProgressFields): string {
  const parts: string[] = []
  if (fields.label !== undefined) parts.push(fields.label)
  if (fields.records !== undefined) parts.push(`${grouped(fields.records)} records`)
  if (fields.recordsPerSecond !== undefined) parts.push(`${grouped(fields.recordsPerSecond)}/s`)
  if (fields.lag !== undefined) parts.push(`lag ${grouped(fields.lag)}`)
  if (fields.commits !== undefined) parts.push(`commits ${grouped(fields.commits)}`)
  if (fields.deadLetters !== undefined && Number(fields.deadLetters) > 0) {
    parts.push(`dead letters ${grouped(fields.deadLetters)}`)
  }
  const remainingMs = fields.remainingMs ?? remainingOf(fields)
  if (remainingMs !== undefined) parts.push(`${formatDuration(remainingMs)} left`)
  return parts.join('  ')
}

function remainingOf({ lag, recordsPerSecond }: ProgressFields): number | undefined {
  if (lag === undefined || recordsPerSecond === undefined || recordsPerSecond <= 0) return undefined
  return Number(lag) === 0 ? undefined : (Number(lag) / recordsPerSecond) * 1_000
}

function grouped(value: number | bigint): string {
  const digits = typeof value === 'bigint' ? value.toString() : Math.round(value).toString()
  return digits.replace(/\B(?=(\d{3})+$)/g, ',')
}
