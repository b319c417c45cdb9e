/**
 * node-cron, which only ticks and only in UTC: at a change of clocks it loses or repeats hours of other
 * zones. What is due it does not decide.
 */
import { createTask, schedule, validate } from 'node-cron'
import { errorMessage, ValidationError } from '../../common/index.ts'

const minuteMs = 60_000
/** A model that was last run longer ago than this is due whatever its cron says. */
const searchMinutesMax = 400 * 24 * 60

/** Throws ValidationError for what is no cron expression. */
export function checkCron(expression: string, where: string): void {
  if (validate(expression)) return
  throw new ValidationError(
    `${where}: not a cron expression: "${expression}" (minute hour day month weekday, such as 0 * * * *)`,
  )
}

/** Whether the expression has a moment in (afterMs, untilMs]. */
export function hasTickBetween(expression: string, afterMs: number, untilMs: number): boolean {
  const task = createTask(expression, () => undefined, { timezone: 'UTC' })
  try {
    const hasSeconds = expression.trim().split(/\s+/).length > 5
    const stepMs = hasSeconds ? 1_000 : minuteMs
    const first = Math.floor(untilMs / stepMs) * stepMs
    for (let steps = 0; steps < searchMinutesMax; steps++) {
      const ms = first - steps * stepMs
      if (ms <= afterMs) return false
      if (task.match(new Date(ms))) return true
    }
    return true
  } finally {
    void task.destroy()
  }
}

export interface Ticker {
  stop(): Promise<void>
}

/** Calls `onTick` at every moment of the expression, without waiting for it to end. */
export function startTicker(
  expression: string,
  onTick: () => void,
  onFault: (reason: string) => void,
): Ticker {
  const task = schedule(expression, onTick, { timezone: 'UTC', suppressMissedWarning: true })
  task.on('execution:failed', ({ execution }) => onFault(errorMessage(execution?.error)))
  return {
    stop: async () => {
      await task.destroy()
    },
  }
}
