/** How often a replay loads its tables: once for each phase, and once more for each commit. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openReplayTools } from '../../app/open-replay.ts'
import { formatIdentifier, type TableIdentifier } from '../../catalog/format/index.ts'
import {
  diffBranch,
  executeReplay,
  planReplay,
  previewReplay,
  publishBranch,
  type ReplayTools,
} from '../../replay/index.ts'
import {
  events,
  lenientSchema,
  openReplayLake,
  type ReplayLake,
  replayRequest,
} from '../support/replay-lake.ts'

/** By table: how often it was loaded, and how often committed to. */
type Calls = Record<string, { loads: number; commits: number }>

let on: ReplayLake
let calls: Calls

beforeEach(async () => {
  on = await openReplayLake()
  calls = {}
})
afterEach(() => on.close())

function countingTools(): ReplayTools {
  const tools = openReplayTools(on.lake)
  const { catalog } = tools
  const of = (identifier: TableIdentifier): Calls[string] =>
    (calls[formatIdentifier(identifier)] ??= { loads: 0, commits: 0 })
  const counting = {
    loadTable: (identifier: TableIdentifier) => {
      of(identifier).loads++
      return catalog.loadTable(identifier)
    },
    commitTable: (commit: Parameters<typeof catalog.commitTable>[0]) => {
      of(commit.identifier).commits++
      return catalog.commitTable(commit)
    },
  }
  const wrapped = new Proxy(catalog, {
    get: (target, name) => {
      if (Object.hasOwn(counting, name)) return Reflect.get(counting, name) as unknown
      const member = Reflect.get(target, name) as unknown
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
  return { ...tools, catalog: wrapped }
}

/** What was called since the last time. */
function callsOf(): Calls {
  const since = calls
  calls = {}
  return since
}

const onceEach: Calls = {
  'web.events': { loads: 1, commits: 0 },
  'web.events__dlq': { loads: 1, commits: 0 },
}

it('loads each table once for each phase, and once more for each commit', async () => {
  await on.produce(0, 100)
  await on.fixture.run(on.stream())
  const tools = countingTools()
  const settings = on.stream({ schema: lenientSchema })
  const request = replayRequest(25, 75)

  const plan = await planReplay(tools, settings, request)
  expect(callsOf(), 'plan').toEqual(onceEach)
  await previewReplay(tools, plan)
  expect(callsOf(), 'preview').toEqual({})

  // Stopped before it reads: what is counted is the branch, and the range taken out of it.
  await executeReplay(tools, settings, plan, { signal: AbortSignal.abort() })
  expect(callsOf(), 'begin').toEqual({
    'web.events': { loads: 2, commits: 2 },
    // Once to make sure that there is a dead-letter table.
    'web.events__dlq': { loads: 3, commits: 2 },
  })
  const begun = await planReplay(tools, settings, request)
  expect(callsOf(), 'plan of a replay that was begun').toEqual(onceEach)
  await executeReplay(tools, settings, begun)
  const finished = await planReplay(tools, settings, request)
  callsOf()
  expect(await executeReplay(tools, settings, finished)).toMatchObject({ isChanged: false })
  expect(callsOf(), 'execute what is finished').toEqual({})

  await diffBranch(tools, events, 'fix', 5)
  expect(callsOf(), 'diff').toEqual(onceEach)
  await publishBranch(tools, events, 'fix')
  expect(callsOf(), 'publish').toEqual({
    // Again after the rows were published, because another publishing may have come after this one.
    'web.events': { loads: 3, commits: 1 },
    'web.events__dlq': { loads: 3, commits: 1 },
  })
  await publishBranch(tools, events, 'fix')
  expect(callsOf(), 'publish again').toEqual(onceEach)
})
