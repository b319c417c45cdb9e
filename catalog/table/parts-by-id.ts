/** Schemas, partition specs and sort orders as updates name them: by an id, of which one is in use for new data. */
import { ValidationError } from '../../common/index.ts'

type Part<IdName extends string> = Readonly<Record<IdName, number>>

/** Throws ValidationError where none of `parts` has the id. */
export function requirePart<IdName extends string>(
  what: string,
  parts: readonly Part<IdName>[],
  idName: IdName,
  id: number,
): void {
  if (parts.some((part) => part[idName] === id)) return
  throw new ValidationError(`the table has no such ${what}`, { facts: { id } })
}

/** The parts that stay. Throws ValidationError where the one in use is among those to remove. */
export function withoutParts<IdName extends string, P extends Part<IdName>>(
  parts: readonly P[],
  idName: IdName,
  removed: readonly number[],
  inUse: { readonly what: string; readonly id: number },
): readonly P[] {
  const ids = new Set(removed)
  if (!ids.has(inUse.id)) return parts.filter((part) => !ids.has(part[idName]))
  throw new ValidationError(`the ${inUse.what} cannot be removed`, {
    facts: { [idName]: inUse.id },
  })
}
