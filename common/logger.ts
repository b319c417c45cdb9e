/**
 * The logging seam: four levels, a stable event name, fields. `cli` chooses the writer.
 */

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A logger that adds `fields` to every event. */
  with(fields: LogFields): Logger
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
}
