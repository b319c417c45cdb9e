/** Nodes by their unique ids, none lost: of two with one id a plain Map keeps the last (docs/spec/batch-jobs.md, B13). */
import { ValidationError } from '../../common/index.ts'

export function uniquelyKeyed<T>(
  entries: readonly (readonly [string, T])[],
): ReadonlyMap<string, T> {
  const found = new Map<string, T>()
  for (const [key, value] of entries) {
    if (found.has(key)) throw new ValidationError(`two nodes of the project are both ${key}`)
    found.set(key, value)
  }
  return found
}
