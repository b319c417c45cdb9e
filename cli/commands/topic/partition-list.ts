/** The flag `--partitions` of a topic's verb: `0,2`. */
import { UsageError } from '../../frame/failure.ts'

export function partitionList(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined
  return text.split(',').map((part) => {
    if (!/^\s*\d+\s*$/.test(part)) throw new UsageError(`not a list of partitions: "${text}"`)
    return Number(part)
  })
}
