/** Nodes by their unique ids. A plain Map would drop the first of two nodes with one id (docs/spec/batch-jobs.md, B13). */
import { ValidationError } from '../../common/index.ts'

export function uniquelyKeyed<T>(
  entries: readonly (readonly [string, T])[],
): ReadonlyMap<string, T> {
  const byKey = new Map<string, T>()
  for (const [key, value] of entries) {
    if (byKey.has(key)) throw new ValidationError(`two nodes of the project are both ${key}`)
    byKey.set(key, value)
  }
  return byKey
}
