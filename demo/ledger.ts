/**
 * The producer's own account of what it made durable while somebody asks: how many records, and the sum
 * of their delays, below any offsets. An answer is compared at the offsets that it names itself.
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

  /** `delaySum`: of the records that were there already, below `bases` by partition. */
  constructor(bases: ReadonlyMap<number, bigint>, delaySum: number) {
    this.#before = delaySum
    for (const [partition, base] of bases) {
      this.#partitions.set(partition, { base: Number(base), sums: [0] })
    }
  }

  /** In the order of the log. Throws for an append that does not follow the one before. */
  add({ baseOffset, partition, values }: Append): void {
    const known = this.#partitions.get(partition)
    const next = known === undefined ? undefined : known.base + known.sums.length - 1
    if (known === undefined || next !== Number(baseOffset)) {
      throw new RangeError(`append at ${baseOffset} of partition ${partition} follows ${next}`)
    }
    for (const value of values) {
      const { delay } = JSON.parse(value) as { readonly delay: number }
      known.sums.push((known.sums.at(-1) ?? 0) + delay)
    }
  }

  /** Undefined where the offsets lie outside of what was added. */
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
