/**
 * The producer's own account of the records that it made durable while queries run: their number and the sum
 * of their delays, below any offsets. An answer is compared at the offsets that it names.
 */
import type { Append } from './produce-flights.ts'

export interface Account {
  readonly count: number
  readonly delaySum: number
}

interface Partition {
  readonly base: number
  /** Element i: the sum of the first i delays after `base`. */
  readonly sums: number[]
}

export class Ledger {
  readonly #before: number
  readonly #partitions = new Map<number, Partition>()

  /** `delaySum` is that of the records below `bases`, which the log held before. */
  constructor(bases: ReadonlyMap<number, bigint>, delaySum: number) {
    this.#before = delaySum
    for (const [partition, base] of bases) {
      this.#partitions.set(partition, { base: Number(base), sums: [0] })
    }
  }

  /** Takes appends in the order of the log. Throws for one that does not follow the one before. */
  add({ baseOffset, partition, values }: Append): void {
    const account = this.#partitions.get(partition)
    const next = account === undefined ? undefined : account.base + account.sums.length - 1
    if (account === undefined || next !== Number(baseOffset)) {
      throw new RangeError(`append at ${baseOffset} of partition ${partition} follows ${next}`)
    }
    for (const value of values) {
      const { delay } = JSON.parse(value) as { readonly delay: number }
      account.sums.push((account.sums.at(-1) ?? 0) + delay)
    }
  }

  /** Undefined for offsets outside of the added records. */
  below(offsets: ReadonlyMap<number, number>): Account | undefined {
    let count = 0
    let delaySum = this.#before
    for (const [partition, { base, sums }] of this.#partitions) {
      const next = offsets.get(partition)
      const sum = next === undefined ? undefined : sums[next - base]
      if (next === undefined || sum === undefined) return undefined
      count += next
      delaySum += sum
    }
    return { count, delaySum }
  }
}
