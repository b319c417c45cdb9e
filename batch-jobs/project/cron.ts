/**
 * node-cron, used only to tick and only in UTC, because it skips or repeats hours of other zones when their
 * clocks change. It does not decide which models are due.
 */
import { createTask, parse, schedule, validate } from 'node-cron'
import { errorMessage, ValidationError } from '../../common/index.ts'

const dayMs = 86_400_000
/** A model whose last run is longer ago than this is due, whatever its cron expression. */
const searchDaysMax = 1_500

/** Throws ValidationError for text that is not a cron expression. */
export function checkCron(expression: string, where: string): void {
  if (validate(expression)) return
  throw new ValidationError(
    `${where}: not a cron expression: "${expression}" (minute hour day month weekday, such as 0 * * * *)`,
  )
}

/** True when the expression has a tick in (afterMs, untilMs]. */
export function hasTickBetween(expression: string, afterMs: number, untilMs: number): boolean {
  const { hour, minute, second } = parse(expression)
  const task = createTask(expression, () => undefined, { timezone: 'UTC' })
  // Whether a day matches does not depend on the time of day.
  const first = latestTime(hour, minute, second, dayMs) ?? 0
  try {
    const newest = Math.floor(untilMs / dayMs) * dayMs
    for (let day = newest; day + dayMs > afterMs; day -= dayMs) {
      if (newest - day > searchDaysMax * dayMs) return true
      if (!task.match(new Date(day + first))) continue
      const time = latestTime(hour, minute, second, untilMs - day)
      if (time !== undefined) return day + time > afterMs
    }
    return false
  } finally {
    void task.destroy()
  }
}

/** The latest time of a day, in milliseconds, that is not after `limitMs`. */
function latestTime(
  hours: readonly number[],
  minutes: readonly number[],
  seconds: readonly number[],
  limitMs: number,
): number | undefined {
  const times = (list: readonly number[], unitMs: number): readonly number[] =>
    [...list].sort((a, b) => b - a).map((each) => each * unitMs)
  for (const hourMs of times(hours, 3_600_000)) {
    if (hourMs > limitMs) continue
    for (const minuteMs of times(minutes, 60_000)) {
      if (hourMs + minuteMs > limitMs) continue
      const secondMs = times(seconds, 1_000).find((each) => hourMs + minuteMs + each <= limitMs)
      if (secondMs !== undefined) return hourMs + minuteMs + secondMs
    }
  }
  return undefined
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
