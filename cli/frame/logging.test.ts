import { describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { type LogFormat, createLogger } from './logging.ts'

const clock = { ...systemClock, now: () => Date.UTC(2026, 0, 2, 3, 4, 5) }

async function linesOf(format: LogFormat): Promise<readonly string[]> {
  const lines: string[] = []
  const print = (line: string): void => {
    lines.push(line)
  }
  const logger = await createLogger({ level: 'info', format, clock, print })
  logger.debug('hidden')
  logger.with({ stream: 'events' }).info('stream.committed', {
    stream: 'events',
    rows: 9007199254740993n,
    table: 'web events',
    skipped: undefined,
  })
  logger.error('failed', { cause: new Error('no "broker"') })
  return lines
}

describe('createLogger()', () => {
  it('writes short lines for people', async () => {
    expect(await linesOf('text')).toEqual([
      '03:04:05 info  stream.committed stream=events rows=9007199254740993 table="web events"',
      '03:04:05 error failed cause="no \\"broker\\""',
    ])
  })

  it('writes json lines for machines, every digit kept', async () => {
    const lines = await linesOf('json')
    expect(lines[0]?.match(/"stream"/g)).toHaveLength(1)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        level: 'info',
        time: '2026-01-02T03:04:05.000Z',
        stream: 'events',
        rows: '9007199254740993',
        table: 'web events',
        event: 'stream.committed',
      },
      {
        level: 'error',
        time: '2026-01-02T03:04:05.000Z',
        cause: 'no "broker"',
        event: 'failed',
      },
    ])
  })
})
