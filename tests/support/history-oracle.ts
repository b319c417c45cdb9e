/**
 * What a history has to be, computed the slow and plain way: the versions of a key sorted by time, each
 * valid until the next.
 */
export interface Version {
  readonly id: number
  /** Minutes since the epoch. */
  readonly at: number
  readonly value: string | null
}

/** `id|value|from|to` in minutes; a current row has no end. */
export function historyOf(versions: readonly Version[]): readonly string[] {
  const rows: string[] = []
  const ids = [...new Set(versions.map(({ id }) => id))]
  for (const id of ids) {
    const moments = [...new Set(versions.filter((each) => each.id === id).map(({ at }) => at))]
    moments.sort((a, b) => a - b)
    for (const [index, at] of moments.entries()) {
      const value = versions.find((each) => each.id === id && each.at === at)?.value ?? null
      rows.push([id, value ?? 'NULL', at, moments[index + 1] ?? 'NULL'].join('|'))
    }
  }
  return rows.sort()
}
