import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { dataBytesMax, hasGivenBack, residentBytesMax, watchMemory } from './memory-watch.ts'

const limits = { memoryBytesMax: 512e6, resultBytesMax: 100e6 }
const isLinux = process.platform === 'linux'

describe.runIf(isLinux)('watchMemory()', () => {
  const watch = async (bytesMax: number, signal: AbortSignal): Promise<readonly number[]> => {
    const found: number[] = []
    await watchMemory({
      processId: process.pid,
      bytesMax,
      clock: systemClock,
      signal,
      onExceeded: (bytes) => found.push(bytes),
    })
    return found
  }

  it('[S5] speaks once when a process holds more than it may', async () => {
    const [bytes = 0, ...more] = await watch(1e6, new AbortController().signal)
    expect(bytes).toBeGreaterThan(10e6)
    expect(more).toEqual([])
  })

  it('keeps looking below the bound until it is told to stop', async () => {
    const stop = new AbortController()
    let isOver = false
    const watching = watch(1e15, stop.signal).then((found) => {
      isOver = true
      return found
    })
    await systemClock.sleep(120)
    expect(isOver).toBe(false)
    stop.abort()
    expect(await watching).toEqual([])
  })

  it('ends with a process that is gone', async () => {
    const found: number[] = []
    const child = spawn('true')
    const { pid = 0 } = child
    await new Promise((resolve) => child.once('close', resolve))
    await watchMemory({
      processId: pid,
      bytesMax: 0,
      clock: systemClock,
      signal: new AbortController().signal,
      onExceeded: (bytes) => found.push(bytes),
    })
    expect(found).toEqual([])
  })
})

describe('bounds', () => {
  it('leave the kernel more than the watcher: address space is not memory', () => {
    expect(residentBytesMax(limits)).toBe(512e6 + 3 * 100e6 + 402_653_184)
    expect(dataBytesMax(limits)).toBeGreaterThan(2 * residentBytesMax(limits))
  })

  it.runIf(isLinux)('know a process that kept its memory', async () => {
    const child = spawn('sleep', ['5'])
    expect(await hasGivenBack(child.pid ?? 0, limits)).toBe(true)
    child.kill()
    const kept = Buffer.alloc(450e6, 1)
    expect(await hasGivenBack(process.pid, limits)).toBe(false)
    expect(kept.length).toBe(450e6)
  })
})
