/**
 * Bounds the resident memory of a process that runs a query, whatever the memory is used for.
 *
 * DuckDB's `memory_limit` counts what DuckDB's buffer manager gives out; values of strings and lists
 * on their way through a function, the rows in the heap of node and the allocator's slack are outside
 * of it. So the parent measures it, and the kernel enforces a higher bound (`dataBytesMax`).
 */
import { readFile } from 'node:fs/promises'
import type { Clock } from '../../common/index.ts'
import type { QueryLimits } from './messages.ts'

/** What a child takes beside DuckDB's buffers and rows: node and DuckDB themselves (about 130 MB), slack. */
const runtimeBytes = 384 * 2 ** 20
/**
 * Rows that are being sent are in memory as DuckDB's vectors, as JavaScript and as the message to the
 * parent, and few large ones are all in one batch: 2.7 to 3.3 times the
 * result was measured, and `runtimeBytes` has room for the difference.
 */
const copiesOfResult = 3
const intervalMs = 50

export type MemoryLimits = Pick<QueryLimits, 'memoryBytesMax' | 'resultBytesMax'>

/** Resident bytes of a child; a query that needs more is ended. */
export function residentBytesMax({ memoryBytesMax, resultBytesMax }: MemoryLimits): number {
  return memoryBytesMax + copiesOfResult * resultBytesMax + runtimeBytes
}

/**
 * For the kernel (RLIMIT_DATA): bounds what a query can take between two looks. Allocators keep
 * address space that they do not use, so there is room above what may be resident.
 */
export function dataBytesMax(limits: MemoryLimits): number {
  return 2 * residentBytesMax(limits) + 2 ** 30
}

export interface MemoryWatchOptions {
  readonly processId: number
  readonly bytesMax: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called once, when the process holds more than `bytesMax`. */
  readonly onExceeded: (bytes: number) => void
}

/** Resolves when the signal aborts, the bound was broken or the process cannot be looked at. */
export async function watchMemory(options: MemoryWatchOptions): Promise<void> {
  const { processId, bytesMax, clock, signal, onExceeded } = options
  while (!signal.aborted) {
    const { resident } = await memoryOf(processId)
    if (resident === undefined || signal.aborted) return
    if (resident > bytesMax) {
      onExceeded(resident)
      return
    }
    await clock.sleep(intervalMs, signal).catch(() => undefined)
  }
}

/** Whether a process that has served a query has room for another: in memory, and of its address space. */
export async function hasGivenBack(processId: number, limits: MemoryLimits): Promise<boolean> {
  const { resident = 0, data = 0 } = await memoryOf(processId)
  const room = dataBytesMax(limits) - residentBytesMax(limits)
  return resident <= runtimeBytes && data <= room
}

interface ProcessMemory {
  readonly resident?: number
  readonly data?: number
}

/** Empty where there is no /proc, and for a process that has ended. */
async function memoryOf(processId: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '')
  const [resident, data] = ['VmRSS', 'VmData'].map((name) => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  })
  return {
    ...(resident === undefined ? {} : { resident }),
    ...(data === undefined ? {} : { data }),
  }
}
