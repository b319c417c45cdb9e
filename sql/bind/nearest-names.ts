/** "did you mean": the names that a mistyped one is closest to. */
import { editDistance } from '../../common/index.ts'

/** At most `limit` candidates that differ from `name` in few letters, the closest first. */
export function nearestNames(
  name: string,
  candidates: readonly string[],
  limit = 3,
): readonly string[] {
  const lowerCase = name.toLowerCase()
  const distanceMax = Math.max(2, Math.floor(lowerCase.length / 3))
  return candidates
    .map((candidate) => ({
      candidate,
      distance: editDistance(lowerCase, candidate.toLowerCase()),
    }))
    .filter(({ distance }) => distance <= distanceMax)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, limit)
    .map(({ candidate }) => candidate)
}
