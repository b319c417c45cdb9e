import { describe, expect, it } from 'vitest'
import { parseLakeSettings } from './settings/lake-settings.ts'
import { parseStreamSettings } from '../ingest/settings/index.ts'
import { variableSource } from '../settings/index.ts'
import { type FileIO, MemoryFileIO } from '../io/index.ts'
import { checkLake } from './doctor.ts'
import { type Lake, openLake } from './lake.ts'
import { runLakeStream } from './run-stream.ts'
import { requireSafeStore } from './safe-store.ts'

const common = { variables: variableSource({}), overrides: [], directory: '/nowhere' }

async function lakeOver(io: FileIO): Promise<Lake> {
  const text = 'catalog: { warehouse: "memory://lake/w" }'
  const { settings } = parseLakeSettings({ ...common, text, file: 'tidewater.yaml' })
  return { ...(await openLake(settings)), io }
}

/** As a gateway that drops If-Match and If-None-Match. */
function careless(): FileIO {
  const io = new MemoryFileIO()
  const write: FileIO['write'] = (location, body) => io.write(location, body)
  return new Proxy<FileIO>(io, {
    get: (target, name) => {
      if (name === 'write') return write
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}

describe('requireSafeStore()', () => {
  it('passes a store that keeps conditional writes', async () => {
    await expect(requireSafeStore(await lakeOver(new MemoryFileIO()))).resolves.toBeUndefined()
  })

  it('refuses a store that ignores the conditions, and so does a stream before it reads', async () => {
    const lake = await lakeOver(careless())
    await expect(requireSafeStore(lake)).rejects.toThrow('this store would lose commits')
    const text = `name: s
input: { embedded: { directory: /nowhere/log, topics: [t] } }
output: { iceberg: { table: a.b } }
`
    const { settings } = parseStreamSettings({ ...common, text, file: 's.yaml' })
    await expect(runLakeStream(lake, settings, { until: 'latest' })).rejects.toThrow(
      'this store would lose commits',
    )
  })

  it('checkLake() shows which promise the store breaks, with a fix', async () => {
    const failed: string[] = []
    for await (const check of checkLake(await lakeOver(careless()), { createBucket: false })) {
      if (!check.ok) failed.push(`${check.name}: ${check.fix ?? ''}`)
    }
    expect(failed[0]).toMatch(/^store create-once: use a store with atomic conditional writes/)
    expect(failed.map((line) => line.split(':')[0])).toContain('store swap-race')
  })
})
