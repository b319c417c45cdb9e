import { describe, expect, it } from 'vitest'
import type { Clock } from '../../common/index.ts'
import { createProgress, progressLine } from './progress.ts'

function terminal(isTTY: boolean) {
  const written: string[] = []
  return { written, isTTY, columns: 60, write: (text: string) => written.push(text) }
}

function steppedClock(): Clock & { nowMs: number } {
  const clock = {
    nowMs: 1_000,
    now: () => clock.nowMs,
    monotonic: () => clock.nowMs,
    sleep: () => Promise.resolve(),
  }
  return clock
}

describe('createProgress()', () => {
  it('is quiet where there is no terminal', () => {
    const stream = terminal(false)
    const progress = createProgress(stream, steppedClock())
    progress.update({ records: 5 })
    progress.print('a log line')
    progress.done()
    expect(stream.written).toEqual(['a log line\n'])
  })

  it('rewrites one line, at most five times a second, cut to the width', () => {
    const stream = terminal(true)
    const clock = steppedClock()
    const progress = createProgress(stream, clock)
    progress.update({ records: 1 })
    progress.update({ records: 2 })
    expect(stream.written).toEqual(['\r\u001B[2K1 records'])
    clock.nowMs += 250
    progress.update({ label: 'x'.repeat(100), records: 3 })
    expect(stream.written.at(-1)).toBe(`\r\u001B[2K${'x'.repeat(59)}`)
  })

  it('prints log lines above the progress line and leaves a clean line behind', () => {
    const stream = terminal(true)
    const progress = createProgress(stream, steppedClock())
    progress.update({ records: 1 })
    progress.print('log')
    progress.done()
    progress.update({ records: 2 })
    expect(stream.written.slice(1)).toEqual(['\r\u001B[2Klog\n1 records', '\r\u001B[2K'])
  })

  it('progressLine() says records, rate, lag, commits and the time left', () => {
    const line = progressLine({
      label: 'events',
      records: 1_200_000n,
      recordsPerSecond: 512_000.4,
      lag: 1_024_000,
      commits: 3,
      deadLetters: 0,
    })
    expect(line).toBe('events  1,200,000 records  512,000/s  lag 1,024,000  commits 3  2s left')
    expect(progressLine({ lag: 0, recordsPerSecond: 5, deadLetters: 2 })).toBe(
      '5/s  lag 0  dead letters 2',
    )
  })
})
