/** The flag `--partitions` of a topic to create. */
import { UsageError } from '../../frame/failure.ts'

export function partitionCount(text: string): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < 1 || count > 10_000) {
    throw new UsageError(`not a number of partitions: "${text}" (1 to 10000)`)
  }
  return count
}
