/** What only a directory of files can get wrong. */
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { NotFoundError, UnavailableError, ValidationError } from '../../common/index.ts'
import type { FileIO, WriteResult } from '../file-io.ts'
import { MemoryFileIO } from '../memory/memory-file-io.ts'
import { LocalFileIO } from './local-file-io.ts'
import { appendVersion, resolveHead } from './version-chain.ts'

let root: string
let io: LocalFileIO

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'local-io-'))
  io = new LocalFileIO()
})
afterEach(() => rm(root, { recursive: true, force: true }))

const at = (name: string): string => `file://${root}/${name}`
const bytes = (text: string): Uint8Array => Buffer.from(text)
const read = async (name: string): Promise<string> =>
  Buffer.from(await io.read(at(name))).toString()

async function swap(name: string, etag: string, body: string): Promise<string> {
  return etagOf(await io.write(at(name), bytes(body), { kind: 'if-match', etag }))
}

function etagOf(result: WriteResult): string {
  if (!result.ok) throw new Error(`lost: ${result.reason}`)
  return result.etag
}

describe('LocalFileIO paths', () => {
  test('[IO20] refuses what climbs, what has two names, and our own bookkeeping', async () => {
    for (const bad of [
      at('../etc/passwd'),
      at('a/../../b'),
      at('a/./b'),
      at('a//b'),
      at('a/'),
      'file://host/share/x',
      'file://',
      at('pointer.~cas/x'),
      at('.~tmp-1'),
      at('a\0b'),
      'relative/path',
    ]) {
      await expect(io.read(bad)).rejects.toThrow(ValidationError)
      await expect(io.write(bad, bytes('x'))).rejects.toThrow(ValidationError)
      await expect(io.delete([bad])).rejects.toThrow(ValidationError)
    }
    expect(await readdir(root)).toEqual([])
  })

  test('[IO20] a root keeps locations inside, on whole names', async () => {
    const inside = new LocalFileIO({ root: join(root, 'lake') })
    await inside.write(at('lake/x'), bytes('x'))
    for (const bad of [at('lakeside/x'), at('x'), 'file:///etc/passwd']) {
      await expect(inside.write(bad, bytes('x'))).rejects.toThrow(/outside the allowed directory/)
      await expect(inside.read(bad)).rejects.toThrow(ValidationError)
    }
  })

  test('file:/x and file:///x are one object', async () => {
    await io.write(at('x'), bytes('same'))
    expect(Buffer.from(await io.read(`file:${root}/x`)).toString()).toBe('same')
  })

  test('a directory is no object, and an object is no directory', async () => {
    await io.write(at('dir/x'), bytes('x'))
    expect(await io.stat(at('dir'))).toBeUndefined()
    await expect(io.read(at('dir'))).rejects.toThrow(NotFoundError)
    await expect(io.write(at('dir'), bytes('y'))).rejects.toThrow(ValidationError)
    await expect(io.write(at('dir'), bytes('y'), { kind: 'if-absent' })).rejects.toThrow(
      ValidationError,
    )
    await expect(io.write(at('dir/x/y'), bytes('y'))).rejects.toThrow(ValidationError)
  })

  test('list() does not follow links out of the directory', async () => {
    await io.write(at('lake/x'), bytes('x'))
    await mkdir(join(root, 'other'))
    await writeFile(join(root, 'other/secret'), 'secret')
    await symlink(join(root, 'other'), join(root, 'lake/link'))
    const found = []
    for await (const info of io.list(at('lake/'))) found.push(info.location)
    expect(found).toEqual([at('lake/x')])
  })
})

describe('LocalFileIO left-overs', () => {
  test('[IO18] what a dead writer left is hidden, and removed after a day', async () => {
    await mkdir(join(root, 'lake'))
    const old = join(root, 'lake/.~tmp-1-old')
    const young = join(root, 'lake/.~tmp-1-young')
    await writeFile(old, 'half')
    await writeFile(young, 'half')
    const twoDaysAgo = new Date(Date.UTC(2020, 0, 1))
    await utimes(old, twoDaysAgo, twoDaysAgo)
    await io.write(at('lake/x'), bytes('x'))
    expect((await readdir(join(root, 'lake'))).sort()).toEqual(['.~tmp-1-young', 'x'])
    const found = []
    for await (const info of io.list(at(''))) found.push(info.location)
    expect(found).toEqual([at('lake/x')])
  })

  test('a failed write leaves no temporary file', async () => {
    await io.write(at('x'), bytes('x'))
    await io.write(at('x'), bytes('y'), { kind: 'if-absent' })
    await expect(io.upload(join(root, 'missing'), at('z'))).rejects.toThrow(NotFoundError)
    expect(await readdir(root)).toEqual(['x'])
  })

  test('[IO17] a copied directory keeps its newest versions', async () => {
    let etag = etagOf(await io.write(at('lake/p'), bytes('0'), { kind: 'if-absent' }))
    for (const body of ['1', '2']) etag = await swap('lake/p', etag, body)
    const { cp } = await import('node:fs/promises')
    await cp(join(root, 'lake'), join(root, 'copy'), { recursive: true })
    expect(await read('copy/p')).toBe('2')
    expect((await io.readObject(at('copy/p'))).etag).toBe(etag)
  })
})

describe('LocalFileIO version chains', () => {
  // Enough for the chain to be pruned, which happens beyond 80 numbers.
  const swaps = 100 * fuzzEffort

  test('[IO17] the highest number wins, and only the last 64 stay', async () => {
    let etag = etagOf(await io.write(at('p'), bytes('0'), { kind: 'if-absent' }))
    for (let n = 1; n <= swaps; n++) etag = await swap('p', etag, String(n))
    expect(await read('p')).toBe(String(swaps))
    expect(await readFile(join(root, 'p'), 'utf8')).toBe('0')
    expect((await readdir(join(root, 'p.~cas'))).length).toBeLessThanOrEqual(80)
  })

  test('[IO17] a writer that slept past the kept numbers cannot win, nor is it told that it lost', async () => {
    let etag = etagOf(await io.write(at('p'), bytes('0'), { kind: 'if-absent' }))
    etag = await swap('p', etag, '1')
    const path = join(root, 'p')
    const stale = await resolveHead(path)
    if (stale.kind !== 'version') throw new Error('expected a version')
    for (let n = 2; n <= swaps; n++) etag = await swap('p', etag, String(n))
    const late = join(root, 'late')
    await writeFile(late, 'late')
    // Number 2 has been pruned, so the link succeeds; the look afterwards finds the last one.
    expect(await appendVersion(path, stale, late)).toBe('unknown')
    expect(await read('p')).toBe(String(swaps))
    const head = await resolveHead(path)
    expect(head).toMatchObject({ kind: 'version', number: swaps })
  })

  test('[IO19] a swap that lands after the object was deleted is unknown and stays invisible', async () => {
    await io.write(at('p'), bytes('A'), { kind: 'if-absent' })
    const path = join(root, 'p')
    const anchorId = await chainIdOf('A')
    await io.delete([at('p')])
    const late = join(root, 'late')
    await writeFile(late, 'late')
    expect(await appendVersion(path, { anchorId, number: 0 }, late)).toBe('unknown')
    expect(await io.stat(at('p'))).toBeUndefined()
    // Created again with other bytes, and with the very same bytes.
    await io.write(at('p'), bytes('B'), { kind: 'if-absent' })
    expect(await read('p')).toBe('B')
    await io.delete([at('p')])
    const created = await io.write(at('p'), bytes('A'), { kind: 'if-absent' })
    expect(created.ok).toBe(true)
    expect(await read('p')).toBe('A')
    expect((await io.readObject(at('p'))).etag).toBe(etagOf(created))
    expect(await swap('p', etagOf(created), 'C')).toBeTruthy()
    expect(await read('p')).toBe('C')
  })

  test('[IO19] the same bytes written over left-overs do not bring them back', async () => {
    await io.write(at('p'), bytes('B'))
    const late = join(root, 'late')
    await writeFile(late, 'late')
    await appendVersion(join(root, 'p'), { anchorId: await chainIdOf('A'), number: 0 }, late)
    expect(await read('p')).toBe('B')
    const written = await io.write(at('p'), bytes('A'))
    expect(await read('p')).toBe('A')
    expect((await io.readObject(at('p'))).etag).toBe(etagOf(written))
  })

  test('[IO10] delete and unconditional write append to a chain, whatever its length', async () => {
    let etag = etagOf(await io.write(at('p'), bytes('0'), { kind: 'if-absent' }))
    for (let n = 1; n <= swaps; n++) {
      if (n % 3 === 0) {
        await io.delete([at('p')])
        expect(await io.stat(at('p'))).toBeUndefined()
        etag = etagOf(await io.write(at('p'), bytes(`${n}`), { kind: 'if-absent' }))
      } else if (n % 3 === 1) etag = await swap('p', etag, `${n}`)
      else etag = etagOf(await io.write(at('p'), bytes(`${n}`)))
      expect(await read('p')).toBe(`${n}`)
    }
    expect((await readdir(join(root, 'p.~cas'))).length).toBeLessThanOrEqual(80)
  })

  async function chainIdOf(body: string): Promise<string> {
    const etag = etagOf(await io.write(at('probe'), bytes(body)))
    await swap('probe', etag, 'x')
    const [name = ''] = await readdir(join(root, 'probe.~cas'))
    await rm(join(root, 'probe'))
    await rm(join(root, 'probe.~cas'), { recursive: true })
    return name.split('-')[0] ?? ''
  }
})

describe('LocalFileIO against the memory store', () => {
  const name = fc.constantFrom('a', 'b')
  const body = fc.integer({ min: 0, max: 3 }).map(String)
  const command = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), name, body }),
    fc.record({ kind: fc.constant('create' as const), name, body }),
    fc.record({ kind: fc.constant('swap' as const), name, body, stale: fc.nat(3) }),
    fc.record({ kind: fc.constant('delete' as const), name }),
    fc.record({ kind: fc.constant('read' as const), name }),
  )

  test('[IO6] any sequence of operations gives the same results', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const local = stepper(io, at(`run-${++run}/`))
        const memory = stepper(new MemoryFileIO(), 'memory://m/')
        for (const one of commands) expect(await local(one)).toEqual(await memory(one))
      }),
      { numRuns: 20 * fuzzEffort },
    )
  })

  /** Runs commands on one store and reports what any store must report alike. */
  function stepper(
    store: FileIO,
    prefix: string,
  ): (one: { kind: string; name: string; body?: string; stale?: number }) => Promise<unknown> {
    const etags = new Map<string, string[]>()
    let serial = 0
    return async ({ kind, name, body, stale }) => {
      const location = prefix + name
      const known = etags.get(name) ?? []
      // Bodies are numbered: of equal bodies a store may give equal etags, as S3 does.
      const content = bytes(`${++serial}:${body}`)
      if (kind === 'delete') return store.delete([location])
      if (kind === 'read') {
        const found = await store.stat(location)
        if (found === undefined) return 'missing'
        return Buffer.from((await store.readObject(location)).body).toString()
      }
      const etag = known.at(-1 - (stale ?? 0)) ?? '"none"'
      const result = await store.write(
        location,
        content,
        kind === 'create'
          ? { kind: 'if-absent' }
          : kind === 'swap'
            ? { kind: 'if-match', etag }
            : undefined,
      )
      if (result.ok) etags.set(name, [...known, result.etag])
      return result.ok ? 'ok' : result.reason
    }
  }
})

describe('LocalFileIO under concurrent callers', () => {
  test('[IO19] every small concurrent history has an order that explains it', async () => {
    for (let round = 0; round < 40 * fuzzEffort; round++) {
      const history = await runHistory(io, at(`h-${round}`), round)
      expect(isLinearizable(history), JSON.stringify(history)).toBe(true)
    }
  })

  test('[IO19] the order check itself refuses a lost update and a resurrection', () => {
    const put = (start: number, end: number, extra: Partial<Step>): Step => ({
      kind: 'create',
      start,
      end,
      outcome: 'ok',
      ...extra,
    })
    const both = [
      put(0, 1, { body: 'a' }),
      put(2, 5, { kind: 'swap', expected: 'a', body: 'b' }),
      put(3, 4, { kind: 'swap', expected: 'a', body: 'c' }),
    ]
    expect(isLinearizable(both)).toBe(false)
    const revived = [
      put(0, 1, { body: 'a' }),
      put(2, 3, { kind: 'delete' }),
      put(4, 5, { kind: 'read', body: 'a' }),
    ]
    expect(isLinearizable(revived)).toBe(false)
    expect(isLinearizable(revived.slice(0, 2))).toBe(true)
  })
})

interface Step {
  readonly kind: 'create' | 'write' | 'swap' | 'delete' | 'read'
  readonly start: number
  readonly end: number
  /** `lost`: the condition did not hold; for a read, nothing was there. */
  readonly outcome: 'ok' | 'lost' | 'unknown'
  readonly body?: string
  readonly expected?: string
}

/** Three callers, four random operations each, on one object. */
async function runHistory(store: FileIO, location: string, seed: number): Promise<Step[]> {
  let time = 0
  const bodies = new Map<string, string>()
  const history: Step[] = []
  const caller = async (id: number): Promise<void> => {
    for (let turn = 0; turn < 4; turn++) {
      const choice = (seed * 7 + id * 13 + turn * 29 + ((seed >> 3) ^ (id * turn))) % 8
      const body = `${id}-${turn}`
      const [etag = '"none"', expected] = [...bodies].at(-1) ?? []
      const start = time++
      const step = await runStep(store, location, choice, body, etag, bodies)
      history.push({ ...step, start, end: time++, ...(expected === undefined ? {} : { expected }) })
    }
  }
  await Promise.all([caller(0), caller(1), caller(2)])
  return history
}

async function runStep(
  store: FileIO,
  location: string,
  choice: number,
  body: string,
  etag: string,
  bodies: Map<string, string>,
): Promise<Pick<Step, 'kind' | 'outcome' | 'body'>> {
  if (choice === 0) {
    await store.delete([location])
    return { kind: 'delete', outcome: 'ok' }
  }
  if (choice === 1) {
    try {
      const found = Buffer.from(await store.read(location)).toString()
      return { kind: 'read', outcome: 'ok', body: found }
    } catch (error) {
      if (error instanceof NotFoundError) return { kind: 'read', outcome: 'lost' }
      throw error
    }
  }
  const kind = choice === 2 ? 'write' : choice < 5 ? 'create' : 'swap'
  const condition =
    kind === 'write'
      ? undefined
      : kind === 'create'
        ? ({ kind: 'if-absent' } as const)
        : ({ kind: 'if-match', etag } as const)
  try {
    const result = await store.write(location, bytes(body), condition)
    if (result.ok) bodies.set(result.etag, body)
    return { kind, outcome: result.ok ? 'ok' : 'lost', body }
  } catch (error) {
    if (error instanceof UnavailableError) return { kind, outcome: 'unknown', body }
    throw error
  }
}

/** Searches an order of the steps that keeps real time and explains every outcome. */
function isLinearizable(steps: readonly Step[], state?: string): boolean {
  if (steps.length === 0) return true
  const firstEnd = Math.min(...steps.map((step) => step.end))
  return steps.some((step, index) => {
    if (step.start > firstEnd) return false
    const rest = steps.filter((_, other) => other !== index)
    return nextStates(step, state).some((next) => isLinearizable(rest, next.state))
  })
}

/** States after `step` that agree with its outcome; none when the outcome contradicts `state`. */
function nextStates(step: Step, state: string | undefined): { state: string | undefined }[] {
  const holds =
    step.kind === 'create'
      ? state === undefined
      : step.kind !== 'swap' || (state !== undefined && state === step.expected)
  if (step.kind === 'delete') return [{ state: undefined }]
  if (step.kind === 'read') {
    return state === (step.outcome === 'ok' ? step.body : undefined) ? [{ state }] : []
  }
  if (step.outcome === 'lost') return holds ? [] : [{ state }]
  if (step.outcome === 'ok') return holds ? [{ state: step.body }] : []
  return holds ? [{ state }, { state: step.body }] : [{ state }]
}
