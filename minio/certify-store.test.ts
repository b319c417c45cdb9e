import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AccessDeniedError, UnavailableError, UnsupportedError } from '../common/index.ts'
import { LocalFileIO, MemoryFileIO } from '../io/index.ts'
import { FaultyFileIO } from '../tests/support/stores/faulty-file-io.ts'
import { type BrokenPromise, UnsafeFileIO } from '../tests/support/stores/unsafe-file-io.ts'
import { type StoreCheck, certifyStore, probeStore, refuseUnsafeStore } from './certify-store.ts'

const prefix = 'memory://lake/_catalog/probe'

function failedNames(checks: readonly StoreCheck[]): string[] {
  return checks.filter((check) => !check.ok).map((check) => check.name)
}

async function listAll(io: MemoryFileIO): Promise<string[]> {
  const found = []
  for await (const info of io.list('memory://lake/')) found.push(info.location)
  return found
}

describe('certifyStore()', () => {
  test('[IO22] finds nothing wrong with the stores we make ourselves, and leaves nothing', async () => {
    const memory = new MemoryFileIO()
    const checks = await certifyStore(memory, prefix)
    expect(failedNames(checks)).toEqual([])
    expect(checks.map((check) => check.name)).toEqual([
      'create-once',
      'stale-etag',
      'missing-key',
      'swap',
      'create-race',
      'swap-race',
      'clean-up',
    ])
    expect(checks[4]?.detail).toBe('exactly one of 8 writers won in each of 20 rounds')
    expect(await listAll(memory)).toEqual([])

    const root = await mkdtemp(join(tmpdir(), 'certify-'))
    const local = await certifyStore(new LocalFileIO(), `file://${root}/lake`, { rounds: 5 })
    expect(failedNames(local)).toEqual([])
    await rm(root, { recursive: true })
  })

  type Plain = Exclude<BrokenPromise, 'lost-write'>
  const cases: Readonly<Record<Plain, { probe: string[]; certify: string[] }>> = {
    'ignore-if-absent': { probe: ['create-once'], certify: ['create-once', 'create-race'] },
    'ignore-if-match': {
      probe: ['stale-etag', 'missing-key'],
      certify: ['stale-etag', 'missing-key', 'swap', 'swap-race'],
    },
    'create-on-if-match': { probe: ['missing-key'], certify: ['missing-key'] },
    'check-then-write': { probe: [], certify: ['create-race', 'swap-race'] },
  }
  for (const [broken, expected] of Object.entries(cases)) {
    test(`[IO22] refuses a store with the fault ${broken}`, async () => {
      const unsafe = (): UnsafeFileIO => new UnsafeFileIO(new MemoryFileIO(), broken as Plain)
      expect(failedNames(await probeStore(unsafe(), prefix))).toEqual(expected.probe)
      const checks = await certifyStore(unsafe(), prefix)
      expect(failedNames(checks)).toEqual(expected.certify)
      for (const check of checks.filter(({ ok }) => !ok)) expect(check.fix).toMatch(/atomic/)
      expect(() => refuseUnsafeStore(checks, 's3://lake/warehouse')).toThrow(UnsupportedError)
      expect(() => refuseUnsafeStore(checks, 's3://lake/warehouse')).toThrow(
        /would lose commits.*warehouse=s3:\/\/lake\/warehouse/,
      )
    })
  }

  test('[IO22] refuses a store that confirms writes and does not keep them', async () => {
    const checks = await certifyStore(new UnsafeFileIO(new MemoryFileIO(), 'lost-write'), prefix)
    expect(failedNames(checks).length).toBeGreaterThan(0)
  })

  test('[IO22] says how a race went wrong: two winners, or a body that nobody won with', async () => {
    const detail = (checks: readonly StoreCheck[], name: string): string | undefined =>
      checks.find((check) => check.name === name)?.detail
    const torn = await certifyStore(
      new UnsafeFileIO(new MemoryFileIO(), 'check-then-write'),
      prefix,
    )
    expect(detail(torn, 'create-race')).toMatch(/^8 writers were answered that they won in round 1/)
    expect(detail(torn, 'swap-race')).toMatch(/^8 writers were answered that they won in round 1/)

    let writes = 0
    const haunted = new FaultyFileIO(new MemoryFileIO(), {
      beforeWrite: async (location, _condition, inner) => {
        // After the six writes of the plain checks, somebody else is always first.
        if (++writes > 6) await inner.write(location, Buffer.from('rival'))
      },
    })
    expect(detail(await certifyStore(haunted, prefix), 'create-race')).toMatch(
      /"rival" was stored instead of the body of a writer in doubt/,
    )
  })

  test('[IO22] a store that says it does not know conditions is refused', async () => {
    const io = new FaultyFileIO(new MemoryFileIO())
    io.inject({
      kind: 'fail-before',
      conditional: true,
      times: Number.POSITIVE_INFINITY,
      error: () => new UnsupportedError('not implemented'),
    })
    expect(failedNames(await probeStore(io, prefix))).toEqual([
      'create-once',
      'stale-etag',
      'missing-key',
    ])
    expect(failedNames(await certifyStore(io, prefix))).toEqual(['create-once'])
  })

  test('a lost answer in a race is settled by reading, not held against the store', async () => {
    const io = new FaultyFileIO(new MemoryFileIO())
    io.inject({ kind: 'fail-after', conditional: true, skip: 10, times: 3 })
    const checks = await certifyStore(io, prefix)
    expect(failedNames(checks)).toEqual([])
    expect(checks.find((check) => check.name === 'create-race')?.detail).toMatch(
      /3 answers lost and settled/,
    )
  })

  test('a store that does not answer is an error, not a verdict', async () => {
    const io = new FaultyFileIO(new MemoryFileIO())
    io.inject({ kind: 'fail-before', times: Number.POSITIVE_INFINITY })
    await expect(certifyStore(io, prefix)).rejects.toThrow(UnavailableError)
    await expect(probeStore(io, prefix)).rejects.toThrow(UnavailableError)
  })

  test('keys that may not delete pass, and the report says what stays', async () => {
    const io = new FaultyFileIO(new MemoryFileIO())
    io.inject({ kind: 'fail-before', on: ['delete'], error: () => new AccessDeniedError('no') })
    const checks = await certifyStore(io, prefix, { rounds: 2 })
    expect(failedNames(checks)).toEqual([])
    expect(checks.at(-1)?.detail).toMatch(/may not delete.*5 small objects stay/)
  })
})

describe('probeStore()', () => {
  test('[IO22] asks three questions, four on the first start, and leaves one object', async () => {
    const memory = new MemoryFileIO()
    const io = new FaultyFileIO(memory)
    expect(failedNames(await probeStore(io, prefix))).toEqual([])
    expect(io.count('write')).toBe(4)
    expect(failedNames(await probeStore(io, prefix))).toEqual([])
    expect(io.count('write')).toBe(7)
    expect(await listAll(memory)).toEqual([`${prefix}/probe`])
    refuseUnsafeStore(await probeStore(io, prefix), 'memory://lake')
  })

  test('many processes may start at once', async () => {
    const memory = new MemoryFileIO()
    const all = await Promise.all(Array.from({ length: 10 }, () => probeStore(memory, prefix)))
    expect(all.flatMap(failedNames)).toEqual([])
  })
})
