/**
 * Named points where a test may stop, kill or delay the running process (failures.md, fault 1).
 *
 * Off unless `TIDEWATER_FAILPOINTS` names a point: `name=kill` (SIGKILL to ourselves at once),
 * `name=kill:3` (at the third passage), `name=sleep:500` (wait that many ms), `name=throw`.
 * Several are separated by `;`. A passage costs one boolean test when none is set.
 */
import { systemClock } from './clock.ts'
import { UnavailableError } from './errors.ts'
import { environment } from './environment.ts'

/** Every point there is; tests run kill -9 over this list: of a sink, and of a compaction. */
export const failpointNames = [
  'ingest.fetched',
  'ingest.encoded',
  'ingest.uploaded',
  'ingest.dead-letters-committed',
  'commit.manifest-written',
  'commit.manifest-list-written',
  'commit.metadata-written',
  'commit.pointer-sent',
  'commit.pointer-answered',
  'ingest.offsets-reported',
  'ingest.cleaned-up',
  'compaction.fetched',
  'compaction.rewritten',
  'compaction.uploaded',
] as const

export type FailpointName = (typeof failpointNames)[number]

interface Armed {
  readonly action: 'kill' | 'sleep' | 'throw'
  readonly argument: number
  passages: number
}

const armed = parseFailpoints(environment('TIDEWATER_FAILPOINTS') ?? '')

/** Passes the point `name`; does nothing unless a test armed it. */
export async function failpoint(name: FailpointName): Promise<void> {
  if (armed.size === 0) return
  const point = armed.get(name)
  if (point === undefined) return
  point.passages++
  if (point.action === 'sleep') return systemClock.sleep(point.argument)
  if (point.passages < point.argument) return
  if (point.action === 'throw') throw new UnavailableError('failpoint', { facts: { name } })
  process.kill(process.pid, 'SIGKILL')
  // SIGKILL is delivered asynchronously; nothing after the point may run.
  await new Promise(() => undefined)
}

function parseFailpoints(text: string): Map<string, Armed> {
  const points = new Map<string, Armed>()
  for (const item of text.split(';').filter((part) => part !== '')) {
    const [name = '', action = ''] = item.split('=')
    const [verb = '', argument = '1'] = action.split(':')
    if (!(failpointNames as readonly string[]).includes(name)) {
      throw new Error(`unknown failpoint ${name}; known: ${failpointNames.join(', ')}`)
    }
    if (verb !== 'kill' && verb !== 'sleep' && verb !== 'throw') {
      throw new Error(`unknown failpoint action ${verb} for ${name}`)
    }
    points.set(name, { action: verb, argument: Number(argument), passages: 0 })
  }
  return points
}
