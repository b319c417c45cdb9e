/** The log writers of the command: short lines for people, JSON lines (pino) for machines. */
import {
  type Clock,
  type LogFields,
  type Logger,
  errorMessage,
  stringifyJson,
} from '../../common/index.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export type LogFormat = 'text' | 'json'
export const logFormats: readonly LogFormat[] = ['text', 'json']
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

const weights: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: 99,
}

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  readonly clock: Clock
  /** Writes one line without its newline; the progress line takes part so that neither cuts the other. */
  readonly print: (line: string) => void
}

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  return options.format === 'json' ? createJsonLogger(options) : createTextLogger(options, {})
}

function createTextLogger(options: LoggerOptions, bound: LogFields): Logger {
  const write = (level: LogLevel, event: string, fields: LogFields = {}): void => {
    if (weights[level] < weights[options.level]) return
    const time = new Date(options.clock.now()).toISOString().slice(11, 19)
    const pairs = Object.entries({ ...bound, ...fields })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${shown(value)}`)
    options.print(`${time} ${level.padEnd(5)} ${event}${pairs.join('')}`)
  }
  return {
    debug: (event, fields) => write('debug', event, fields),
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
    with: (fields) => createTextLogger(options, { ...bound, ...fields }),
  }
}

function shown(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(errorMessage(value))
  const text = typeof value === 'string' ? value : (stringifyJson(value) ?? '')
  return typeof value === 'string' && /[\s"=]/.test(text) ? JSON.stringify(text) : text
}

async function createJsonLogger(options: LoggerOptions): Promise<Logger> {
  const { pino } = await import('pino')
  const writer = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date(options.clock.now()).toISOString()}"`,
    },
    { write: (line: string) => options.print(line.trimEnd()) },
  )
  // Bound fields are merged here, because pino's own child would write a key twice.
  const adapt = (bound: LogFields): Logger => ({
    debug: (event, fields) => writer.debug(printable({ ...bound, ...fields }), event),
    info: (event, fields) => writer.info(printable({ ...bound, ...fields }), event),
    warn: (event, fields) => writer.warn(printable({ ...bound, ...fields }), event),
    error: (event, fields) => writer.error(printable({ ...bound, ...fields }), event),
    with: (fields) => adapt({ ...bound, ...fields }),
  })
  return adapt({})
}

/** pino cannot write bigints; as text every reader keeps all digits. */
function printable(fields: LogFields): Record<string, unknown> {
  const entries = Object.entries(fields).map(([key, value]) => {
    if (typeof value === 'bigint') return [key, value.toString()]
    if (value instanceof Error) return [key, errorMessage(value)]
    return [key, value]
  })
  return Object.fromEntries(entries) as Record<string, unknown>
}
