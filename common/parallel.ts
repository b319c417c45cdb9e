/** Work on many items with a stated limit of calls under way: reading manifests, transfers, loads. */

export interface ParallelOptions<T = unknown> {
  /** Calls under way at the same time; default 8. */
  readonly limit?: number
  /** What the items of the calls under way may weigh together; one alone may weigh more. */
  readonly weightMax?: number
  /** Of an item, such as the bytes that its call holds in memory; default 0. */
  readonly weight?: (item: T) => number
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
  { limit = limitDefault, signal, weight = () => 0, weightMax = Infinity }: ParallelOptions<T> = {},
): Promise<readonly R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  const scale = new Scale(weightMax)
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++
      const item = items[index] as T
      const load = weight(item)
      if (!scale.add(load)) await scale.wait(load)
      try {
        if (failures.length > 0) return
        signal?.throwIfAborted()
        results[index] = await map(item, index)
      } catch (error) {
        failures.push(error)
      } finally {
        scale.remove(load)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}

/** Holds loads up to a weight; a load that finds no room waits, in order. */
class Scale {
  readonly #max: number
  readonly #waiting: { readonly load: number; readonly begin: () => void }[] = []
  #weight = 0
  #loads = 0

  constructor(max: number) {
    this.#max = max
  }

  /** False, and nothing is added, where there is no room. */
  add(load: number): boolean {
    if (this.#waiting.length > 0 || !this.#hasRoom(load)) return false
    this.#put(load)
    return true
  }

  /** Resolves once the load is on the scale. */
  wait(load: number): Promise<void> {
    return new Promise((begin) => this.#waiting.push({ load, begin }))
  }

  remove(load: number): void {
    this.#weight -= load
    this.#loads--
    for (;;) {
      const first = this.#waiting[0]
      if (first === undefined || !this.#hasRoom(first.load)) return
      this.#waiting.shift()
      this.#put(first.load)
      first.begin()
    }
  }

  #hasRoom(load: number): boolean {
    return this.#loads === 0 || this.#weight + load <= this.#max
  }

  #put(load: number): void {
    this.#weight += load
    this.#loads++
  }
}
