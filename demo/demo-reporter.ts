/** What the demo reports, as facts; the command decides how they look on a terminal. */

export interface DemoProgress {
  readonly label: string
  readonly produced: number
  readonly committed: number
  readonly snapshots: number
}

/** One thing that must hold for the demo to have succeeded. */
export interface DemoCheck {
  readonly name: string
  readonly passed: boolean
  readonly detail: string
}

export interface DemoReporter {
  section(title: string): void
  fact(name: string, value: string, note?: string): void
  check(check: DemoCheck): void
  table(columns: readonly string[], rows: readonly (readonly string[])[]): Promise<void>
  /** Text to be copied: a query, a command. */
  code(text: string): void
  /** Called often; shown only where a person watches. Undefined: there will be no more. */
  progress(progress: DemoProgress | undefined): void
}
