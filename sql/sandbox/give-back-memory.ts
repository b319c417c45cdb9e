/** Returns the memory of the last query's rows, so that the process need not be replaced for the next one. */

/** Half of what the parent lets a child hold between queries (memory-watch.ts). */
const residentBytesTarget = 192 * 2 ** 20

/**
 * Rows that have been sent would stay in the heap until the next query needs memory. Node 20 frees them only in a
 * collection without options, and Node 24 keeps their pages after any other than the last resort. Needs
 * `--expose-gc`.
 */
export function giveBackMemory(): void {
  if (process.memoryUsage.rss() <= residentBytesTarget) return
  globalThis.gc?.()
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
