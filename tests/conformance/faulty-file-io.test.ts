import { describe, expect, test } from 'vitest'
import { type Clock, UnavailableError, seededRandom } from '../../common/index.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'
import { MemoryFileIO } from '../../io/memory/memory-file-io.ts'

const location = 'memory://lake/pointer.json'
const other = 'memory://lake/data.parquet'
const body = Buffer.from('v1')
const create = { kind: 'if-absent' } as const

describe('FaultyFileIO', () => {
  test('[IO21] fail-before does nothing, once, and only where it was told to', async () => {
    const memory = new MemoryFileIO()
    const io = new FaultyFileIO(memory)
    const fault = io.inject({ kind: 'fail-before', on: ['write'], at: /pointer\.json$/g })
    await io.write(other, body)
    await expect(io.write(location, body, create)).rejects.toThrow(UnavailableError)
    expect(await memory.stat(location)).toBeUndefined()
    expect(await io.write(location, body, create)).toMatchObject({ ok: true })
    expect(fault.struck).toBe(1)
    expect(io.count('write')).toBe(3)
  })

  test('[IO21] fail-after stores the object and loses the answer', async () => {
    const memory = new MemoryFileIO()
    const io = new FaultyFileIO(memory)
    io.inject({ kind: 'fail-after', conditional: true, error: () => new Error('reset by peer') })
    await io.write(other, body)
    await expect(io.write(location, body, create)).rejects.toThrow('reset by peer')
    expect(Buffer.from(await memory.read(location)).toString()).toBe('v1')
    expect(await io.write(location, body, create)).toEqual({ ok: false, reason: 'exists' })
  })

  test('[IO21] land-late fails at once and acts when it is let go', async () => {
    const memory = new MemoryFileIO()
    const io = new FaultyFileIO(memory)
    io.inject({ kind: 'land-late', on: ['write'], times: 2 })
    const buffer = Buffer.from('late')
    await expect(io.write(location, buffer, create)).rejects.toThrow(UnavailableError)
    await expect(io.write(location, buffer, create)).rejects.toThrow(UnavailableError)
    buffer.fill(0)
    expect(await memory.stat(location)).toBeUndefined()
    expect(await io.landLate()).toMatchObject([{ ok: true }, { ok: false, reason: 'exists' }])
    expect(Buffer.from(await memory.read(location)).toString()).toBe('late')
    expect(await io.landLate()).toEqual([])
  })

  test('[IO21] delay waits by the clock and then acts', async () => {
    const slept: number[] = []
    const clock: Clock = {
      now: () => 0,
      monotonic: () => 0,
      sleep: async (ms) => void slept.push(ms),
    }
    const io = new FaultyFileIO(new MemoryFileIO(), { clock })
    io.inject({ kind: 'delay', delayMs: 60_000, skip: 1, times: Number.POSITIVE_INFINITY })
    await io.write(location, body)
    await io.read(location)
    await io.stat(location)
    expect(slept).toEqual([60_000, 60_000])
  })

  test('[IO21] disarm() ends a fault, and the one armed first strikes first', async () => {
    const io = new FaultyFileIO(new MemoryFileIO())
    const first = io.inject({ kind: 'fail-before', times: 10, error: () => new Error('first') })
    io.inject({ kind: 'fail-before', error: () => new Error('second') })
    await expect(io.stat(location)).rejects.toThrow('first')
    first.disarm()
    await expect(io.stat(location)).rejects.toThrow('second')
    expect(await io.stat(location)).toBeUndefined()
  })

  test('[IO21] every operation can be made to fail', async () => {
    const io = new FaultyFileIO(new MemoryFileIO())
    io.inject({ kind: 'fail-before', times: Number.POSITIVE_INFINITY })
    const calls = [
      () => io.read(location),
      () => io.readObject(location),
      () => io.stat(location),
      () => io.write(location, body),
      () => io.upload('/none', location),
      () => io.download(location, '/none'),
      () => io.delete([location]),
      async () => {
        for await (const info of io.list(location)) return info
        return undefined
      },
    ]
    for (const call of calls) await expect(call()).rejects.toThrow(/injected fault/)
  })

  test('[IO21] the same seed gives the same faults', async () => {
    const run = async (seed: number): Promise<string> => {
      const io = new FaultyFileIO(new MemoryFileIO(), { random: seededRandom(seed) })
      io.inject({ kind: 'fail-before', probability: 0.3, times: Number.POSITIVE_INFINITY })
      let outcome = ''
      for (let call = 0; call < 60; call++) {
        outcome += await io.stat(location).then(
          () => '.',
          () => 'x',
        )
      }
      return outcome
    }
    const first = await run(7)
    expect(await run(7)).toBe(first)
    expect(await run(8)).not.toBe(first)
    expect(first).toMatch(/x/)
    expect(first).toMatch(/\./)
  })

  test('[IO21] beforeWrite plants a rival just before a conditional write', async () => {
    const memory = new MemoryFileIO()
    const rival = Buffer.from('rival')
    const io = new FaultyFileIO(memory, {
      beforeWrite: async (where, condition, inner) => {
        if (condition !== undefined) await inner.write(where, rival)
      },
    })
    expect(await io.write(location, body, create)).toEqual({ ok: false, reason: 'exists' })
    const { etag } = await io.readObject(location)
    expect(await io.write(location, body, { kind: 'if-match', etag })).toEqual({
      ok: false,
      reason: 'changed',
    })
    expect(Buffer.from(await memory.read(location)).toString()).toBe('rival')
  })
})
