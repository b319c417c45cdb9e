/** Concurrency with a stated limit, for reading many manifests. */

const readsMax = 8

/** Maps in order, with at most `limit` calls under way. */
export async function mapLimited<T, R>(
  items: readonly T[],
  map: (item: T, index: number) => Promise<R>,
  limit = readsMax,
): Promise<readonly R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      results[index] = await map(items[index] as T, index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return results
}
