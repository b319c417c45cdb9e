/** The likely key behind a typo: `did you mean X`. */

/** The candidate nearest to `word`, when it is near enough to be meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const target = fold(word)
  const limit = Math.max(1, Math.min(3, Math.floor(target.length / 3)))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const distance = editDistance(target, fold(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** `, did you mean X` or nothing, ready to be put behind a message. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const match = nearest(word, candidates)
  return match === undefined ? '' : `, did you mean ${match}`
}

/** Removes differences that people overlook: upper case, and `-` in place of `_`. */
function fold(word: string): string {
  return word.toLowerCase().replaceAll('-', '_')
}

/** Insertions, deletions, replacements and swaps of neighbours, each counted 1. */
export function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let cost = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      )
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped && row > 1 && column > 1)
        cost = Math.min(cost, at(beforePrevious, column - 2) + 1)
      current.push(cost)
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, to.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
