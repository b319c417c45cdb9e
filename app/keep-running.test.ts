import { describe, expect, it } from 'vitest'
import { type LogFields, type Logger, seededRandom, silentLogger } from '../common/index.ts'
import { InstantClock } from '../tests/support/instant-clock.ts'
import { keepRunning } from './keep-running.ts'

function recording(): {
  readonly logger: Logger
  readonly lines: (readonly [string, LogFields])[]
} {
  const lines: (readonly [string, LogFields])[] = []
  const logger: Logger = {
    ...silentLogger,
    error: (event, fields = {}) => lines.push([event, fields]),
  }
  return { logger, lines }
}

describe('keepRunning()', () => {
  it('starts again after each failure, later each time, and at once no more when stopped', async () => {
    const stop = new AbortController()
    const clock = new InstantClock(0)
    const { logger, lines } = recording()
    const begun: number[] = []
    const attempt = async (): Promise<void> => {
      begun.push(clock.monotonic())
      if (begun.length === 12) stop.abort()
      else throw new Error(`no broker ${begun.length}`)
    }
    await keepRunning(attempt, { clock, random: seededRandom(3), logger, signal: stop.signal })
    expect(begun).toHaveLength(12)
    expect(lines).toHaveLength(11)
    expect(lines[0]).toMatchObject(['stream.failed', { error: 'no broker 1' }])
    const waits = begun.slice(1).map((at, index) => at - (begun[index] ?? 0))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000)
    expect(waits[0]).toBeLessThan(2_000)
    expect(Math.max(...waits)).toBeGreaterThan(5_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000)
  })

  it('forgets the failures before a long healthy run', async () => {
    const stop = new AbortController()
    const clock = new InstantClock(0)
    const { logger, lines } = recording()
    let runs = 0
    const attempt = async (): Promise<void> => {
      if (++runs === 10) clock.advance(120_000)
      if (runs === 11) return stop.abort()
      throw new Error('gone')
    }
    await keepRunning(attempt, { clock, random: seededRandom(9), logger, signal: stop.signal })
    expect(lines.at(-1)?.[1]['restartInMs']).toBe(1_000)
  })

  it('tells a failure of the last flush, and ends', async () => {
    const stop = new AbortController()
    const { logger, lines } = recording()
    const attempt = async (): Promise<void> => {
      stop.abort()
      throw new Error('bucket gone')
    }
    const tools = { clock: new InstantClock(0), random: seededRandom(1), logger }
    await keepRunning(attempt, { ...tools, signal: stop.signal })
    expect(lines).toEqual([['stream.stop-failed', { error: 'bucket gone' }]])
  })

  it('starts again what ends by itself', async () => {
    const stop = new AbortController()
    const { logger, lines } = recording()
    let runs = 0
    const attempt = async (): Promise<void> => {
      if (++runs === 2) stop.abort()
    }
    const tools = { clock: new InstantClock(0), random: seededRandom(1), logger }
    await keepRunning(attempt, { ...tools, signal: stop.signal })
    expect(lines[0]?.[1]['error']).toBe('it ended by itself')
  })
})
