/** Work on many items with a stated limit of calls under way: reading manifests, transfers, loads. */

export interface ParallelOptions {
  /** Calls under way at the same time; default 8. */
  readonly limit?: number
  /** Once aborted, no further call is begun. */
  readonly signal?: AbortSignal
}

const limitDefault = 8

/**
 * Maps in order, with at most `limit` calls under way. After the first failure, or once `signal` is
 * aborted, no further call is begun; those under way end before the failure (or the reason of the
 * abort) is thrown, so that the caller may remove what they work on.
 */
export async function mapLimited<T, R>(
  items: readonly T[],
  map: (item: T, index: number) => Promise<R>,
  { limit = limitDefault, signal }: ParallelOptions = {},
): Promise<readonly R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++
      try {
        signal?.throwIfAborted()
        results[index] = await map(items[index] as T, index)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
