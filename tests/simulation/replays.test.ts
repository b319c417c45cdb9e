/**
 * Random histories of a stream and its table (growth, changed settings, branches, other writers' rows and columns,
 * compaction, expiry, partition evolution, several topics, kills), then a replay of a random range: either the
 * table is the fold of the log after its publishing, or the replay was refused with nothing changed.
 *
 * `TIDEWATER_SIMULATION_SEED=… TIDEWATER_SIMULATION_RUNS=… npx vitest run --project simulation
 * tests/simulation/replays` replays or deepens it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environment, systemRandom } from '../../common/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { runHistory } from '../support/replay-history.ts'
import { openReplayLake, type ReplayLake } from '../support/replay-lake.ts'

const seed = Number(
  environment('TIDEWATER_SIMULATION_SEED') ?? Math.floor(systemRandom.fraction() * 2 ** 31),
)
const runs = Number(environment('TIDEWATER_SIMULATION_RUNS') ?? 4 * fuzzEffort)

let on: ReplayLake

beforeAll(async () => {
  on = await openReplayLake()
})
afterAll(() => on.close())

describe(`replays of random histories, seed=${seed} runs=${runs}`, () => {
  const refusals = new Map<string, number>()
  let published = 0

  it.each(Array.from({ length: runs }, (_, run) => seed + run))(
    '[P1, P10] of seed %i are exact, or refused with nothing changed',
    async (each) => {
      const { kind, reason } = await runHistory(on, each)
      if (kind === 'published') published++
      const why = reason.replace(/:.*/s, '')
      if (kind === 'refused') refusals.set(why, (refusals.get(why) ?? 0) + 1)
    },
    // A history has a hundred commits, and the machine may be busy.
    180_000,
  )

  it('[P10] are not all refused', () => {
    const lines = [...refusals].map(([why, count]) => `refused ${count}: ${why}\n`)
    process.stdout.write(`published ${published} of ${runs}, seed=${seed}\n${lines.join('')}`)
    if (runs >= 20) expect(published).toBeGreaterThan(runs / 4)
  })
})
