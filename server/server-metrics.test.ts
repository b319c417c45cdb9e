import { expect, it } from 'vitest'
import { createServerMetrics } from './server-metrics.ts'

it('tidewater_freshness_seconds is asked for at each scrape, by table and layer', async () => {
  let ages = [{ table: 'web.events', newestRowAgeMs: 250, newestCommittedAgeMs: 1_500 }]
  const metrics = createServerMetrics(() => ages)
  const lines = async (): Promise<readonly string[]> =>
    (await metrics.text()).split('\n').filter((line) => line.startsWith('tidewater_freshness'))
  expect(await lines()).toEqual([
    'tidewater_freshness_seconds{table="web.events",layer="live"} 0.25',
    'tidewater_freshness_seconds{table="web.events",layer="batch"} 1.5',
  ])
  ages = []
  expect(await lines()).toEqual([])
})
