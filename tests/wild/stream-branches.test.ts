/**
 * `output.iceberg.branch` given to a stream, changed or taken away: a branch begins with what main has, rows and
 * offsets, and what one branch holds is not read again into another without a word.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { discardBranch, publishBranch } from '../../app/index.ts'
import type { LogFields, Logger } from '../../common/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { events, fields, openReplayLake, type ReplayLake } from '../support/replay-lake.ts'

let on: ReplayLake
let produced = 0

beforeEach(async () => {
  produced = 0
  on = await openReplayLake()
})
afterEach(() => on.close())

const stream = (branch?: string, name = 'events'): StreamSettings =>
  on.fixture.settings(`
name: ${name}
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: declared, ${fields} }
output: { iceberg: { table: web.events${branch === undefined ? '' : `, branch: ${branch}`} } }`)

async function fill(count: number, branch?: string): Promise<void> {
  const values = Array.from({ length: count }, () => `{"id":${produced++},"v":1}`)
  await on.fixture.log.appendValues({ topic: 'events', partition: 0 }, values)
  await on.fixture.run(stream(branch))
}

const ids = async (ref?: string): Promise<readonly number[]> =>
  (await on.rowsOf(ref)).map(([, , id]) => id).sort((a, b) => a - b)
const upTo = (end: number): readonly number[] => Array.from({ length: end }, (_, id) => id)

it('K3 [E17] a branch that main has filled before begins with its rows and offsets', async () => {
  await fill(5)
  await fill(0, 'stage')
  await fill(3, 'stage')
  expect(await ids('stage')).toEqual(upTo(8))
  expect(await ids()).toEqual(upTo(5))
})

it('K3 so does one that was removed and is made again', async () => {
  await fill(5)
  await fill(3, 'stage')
  await on.changeRefs([{ kind: 'remove', name: 'stage' }])
  await fill(2, 'stage')
  expect(await ids('stage')).toEqual(upTo(10))
})

it('K3 back to main: main goes on where it stands, and the branch ahead is named', async () => {
  await fill(5)
  await fill(3, 'stage')
  const warnings: LogFields[] = []
  const note = (_: string, facts: LogFields = {}): void => void warnings.push(facts)
  const logger: Logger = {
    debug: note,
    info: () => undefined,
    warn: note,
    error: note,
    with: () => logger,
  }
  await on.fixture.run(stream(), {}, { logger })
  expect(await ids()).toEqual(upTo(8))
  expect(warnings).toContainEqual(expect.objectContaining({ branch: 'main', other: 'stage' }))
  // Both have the same records by now: publishing would double them.
  await expect(publishBranch(on.lake, events, 'stage')).rejects.toThrow(/since they parted/)
  expect(await ids()).toEqual(upTo(8))
})

it('K3 a branch that has all of the stream, and main nothing: refused with the ways out, which work', async () => {
  await fill(5, 'stage')
  await expect(fill(3)).rejects.toThrow(
    /filled branch stage.*main holds nothing.*tide table publish web.events --branch stage.*tide table discard/,
  )
  expect(await ids()).toEqual([])
  await fill(0, 'stage')
  await publishBranch(on.lake, events, 'stage')
  expect(await ids()).toEqual(upTo(8))
  await fill(2)
  expect(await ids()).toEqual(upTo(10))
})

it('K3 the other way out: throw the branch away, and main reads everything', async () => {
  await fill(5, 'stage')
  await discardBranch(on.lake, events, 'stage', { execute: true })
  await fill(3)
  expect(await ids()).toEqual(upTo(8))
})

it('K3 a branch is published again and again, its offsets with its rows', async () => {
  await fill(5)
  for (const end of [8, 11]) {
    await fill(3, 'stage')
    await publishBranch(on.lake, events, 'stage')
    expect(await ids()).toEqual(upTo(end))
  }
  await fill(1)
  expect(await ids()).toEqual(upTo(12))
})

it('K3 [E17] where both have gone on since they parted, publishing is refused with nothing changed', async () => {
  await fill(5)
  await fill(3, 'stage')
  await fill(4)
  await expect(publishBranch(on.lake, events, 'stage')).rejects.toThrow(
    /written to the branch and to its target since they parted.*stream=events/,
  )
  expect(await ids()).toEqual(upTo(12))
})
