/**
 * What every FileIO must do, whatever stands behind it (docs/spec/io.md).
 *
 * Run over memory, a local directory, the fault-injecting wrapper and S3. `make` gives a store and a
 * prefix under which this run is alone.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { NotFoundError, ValidationError, systemClock } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'

export interface FileIOUnderTest {
  readonly io: FileIO
  /** Ends with a slash; nothing lies below it. */
  readonly prefix: string
  /** For a store without requests of a limited size, where a thousand objects show nothing more. */
  readonly manyObjects?: number
  readonly dispose?: () => Promise<void>
}

export function describeFileIO(name: string, make: () => Promise<FileIOUnderTest>): void {
  describe(`FileIO conformance: ${name}`, () => {
    let store: FileIOUnderTest
    let scratch: string
    let serial = 0
    const fresh = (suffix = ''): string => `${store.prefix}object-${++serial}${suffix}`

    beforeAll(async () => {
      store = await make()
      scratch = await mkdtemp(join(tmpdir(), 'file-io-'))
    })
    afterEach(async () => {
      const found = await listAll(store.io, store.prefix)
      await store.io.delete(found.map((info) => info.location))
    })
    afterAll(async () => {
      await store.io.close()
      await store.dispose?.()
      await rm(scratch, { recursive: true, force: true })
    })
    const context: Context = {
      io: () => store.io,
      prefix: () => store.prefix,
      fresh,
      scratch: () => scratch,
      manyObjects: () => store.manyObjects ?? 1100,
    }
    testReads(context)
    testConditions(context)
    testRaces(context)
    testListAndDelete(context)
    testFiles(context)
  })
}

interface Context {
  readonly io: () => FileIO
  readonly prefix: () => string
  readonly fresh: (suffix?: string) => string
  readonly scratch: () => string
  readonly manyObjects: () => number
}

function testReads({ io, fresh }: Context): void {
  test('[IO1] read() gives back every byte that was written', async () => {
    const location = fresh()
    const body = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 31) & 0xff)
    expect(await io().write(location, body)).toMatchObject({ ok: true })
    expect(Buffer.from(await io().read(location)).equals(body)).toBe(true)
  })

  test('[IO1] read() gives back an empty object', async () => {
    const location = fresh()
    await io().write(location, new Uint8Array())
    expect(await io().read(location)).toHaveLength(0)
    expect((await io().stat(location))?.sizeBytes).toBe(0)
  })

  test('[IO1] write() keeps its own copy of the bytes', async () => {
    const location = fresh()
    const body = Buffer.from('before')
    await io().write(location, body)
    body.fill(0)
    expect(text(await io().read(location))).toBe('before')
  })

  test('[IO2] read() of a range is half-open and clipped at the end of the object', async () => {
    const location = fresh()
    await io().write(location, bytes('0123456789'))
    expect(text(await io().read(location, { start: 2, end: 5 }))).toBe('234')
    expect(text(await io().read(location, { start: 7, end: 100 }))).toBe('789')
    expect(text(await io().read(location, { start: 0, end: 10 }))).toBe('0123456789')
    expect(await io().read(location, { start: 4, end: 4 })).toHaveLength(0)
  })

  test('[IO2] read() refuses a range past the end and a range that is none', async () => {
    const location = fresh()
    await io().write(location, bytes('0123456789'))
    for (const range of [
      { start: 11, end: 12 },
      { start: 10, end: 11 },
      { start: 5, end: 4 },
      { start: -1, end: 4 },
      { start: 0.5, end: 4 },
    ]) {
      await expect(io().read(location, range)).rejects.toThrow(ValidationError)
    }
  })

  test('[IO3] a missing object is NotFoundError to read and undefined to stat', async () => {
    const location = fresh()
    await expect(io().read(location)).rejects.toThrow(NotFoundError)
    await expect(io().read(location, { start: 0, end: 1 })).rejects.toThrow(NotFoundError)
    await expect(io().readObject(location)).rejects.toThrow(NotFoundError)
    expect(await io().stat(location)).toBeUndefined()
    await expect(io().read(location)).rejects.toThrow(location)
  })

  test('[IO4] write(), readObject(), stat() and list() agree on the etag', async () => {
    const location = fresh()
    const written = await io().write(location, bytes('one'))
    const read = await io().readObject(location)
    const info = await io().stat(location)
    const listed = await listAll(io(), location)
    expect(written).toEqual({ ok: true, etag: read.etag })
    expect(info?.etag).toBe(read.etag)
    expect(listed.map((entry) => entry.etag)).toEqual([read.etag])
    expect(info).toMatchObject({ location, sizeBytes: 3 })
    expect(Math.abs((info?.modifiedMs ?? 0) - systemClock.now())).toBeLessThan(120_000)
  })

  test('write() without a condition replaces what is there', async () => {
    const location = fresh()
    const first = await io().write(location, bytes('one'))
    const second = await io().write(location, bytes('two'))
    expect(text(await io().read(location))).toBe('two')
    expect(etagOf(first)).not.toBe(etagOf(second))
  })

  test('keys with odd characters are literal', async () => {
    const location = fresh('/p=a b/100%41+ü&x=1,(y)#z?q.parquet')
    await io().write(location, bytes('odd'))
    expect(text(await io().read(location))).toBe('odd')
    expect((await listAll(io(), location)).map((info) => info.location)).toEqual([location])
    await io().delete([location])
    expect(await io().stat(location)).toBeUndefined()
  })
}

function testConditions({ io, fresh }: Context): void {
  test('[IO5] if-absent creates once and leaves the first body alone', async () => {
    const location = fresh()
    expect(await io().write(location, bytes('first'), { kind: 'if-absent' })).toMatchObject({
      ok: true,
    })
    expect(await io().write(location, bytes('second'), { kind: 'if-absent' })).toEqual({
      ok: false,
      reason: 'exists',
    })
    expect(text(await io().read(location))).toBe('first')
  })

  test('[IO6] if-match replaces exactly the version that was read', async () => {
    const location = fresh()
    await io().write(location, bytes('v0'), { kind: 'if-absent' })
    const { etag } = await io().readObject(location)
    const swapped = await io().write(location, bytes('v1'), { kind: 'if-match', etag })
    expect(swapped.ok).toBe(true)
    expect((await io().readObject(location)).etag).toBe(etagOf(swapped))
    expect(await io().write(location, bytes('v2'), { kind: 'if-match', etag })).toEqual({
      ok: false,
      reason: 'changed',
    })
    expect(text(await io().read(location))).toBe('v1')
  })

  test('[IO6] if-match works on an object that was written without a condition', async () => {
    const location = fresh()
    const etag = etagOf(await io().write(location, bytes('v0')))
    expect(await io().write(location, bytes('v1'), { kind: 'if-match', etag })).toMatchObject({
      ok: true,
    })
    const after = await io().write(location, bytes('v2'))
    expect(text(await io().read(location))).toBe('v2')
    expect((await io().readObject(location)).etag).toBe(etagOf(after))
  })

  test('[IO7] if-match on a missing or deleted object is refused and creates nothing', async () => {
    const location = fresh()
    const etag = etagOf(await io().write(fresh(), bytes('x')))
    const lost = { ok: false, reason: 'changed' }
    expect(await io().write(location, bytes('y'), { kind: 'if-match', etag })).toEqual(lost)
    expect(await io().stat(location)).toBeUndefined()
    const own = etagOf(await io().write(location, bytes('z')))
    const next = etagOf(await io().write(location, bytes('zz'), { kind: 'if-match', etag: own }))
    await io().delete([location])
    expect(await io().write(location, bytes('y'), { kind: 'if-match', etag: own })).toEqual(lost)
    expect(await io().write(location, bytes('y'), { kind: 'if-match', etag: next })).toEqual(lost)
    expect(await io().stat(location)).toBeUndefined()
  })

  test('[IO8] an etag of an earlier life does not match after delete and create', async () => {
    const location = fresh()
    await io().write(location, bytes('a0'), { kind: 'if-absent' })
    let { etag } = await io().readObject(location)
    for (const body of ['a1', 'a2', 'a3']) {
      etag = etagOf(await io().write(location, bytes(body), { kind: 'if-match', etag }))
    }
    await io().delete([location])
    expect(await io().write(location, bytes('b0'), { kind: 'if-absent' })).toMatchObject({
      ok: true,
    })
    expect(await io().write(location, bytes('a4'), { kind: 'if-match', etag })).toEqual({
      ok: false,
      reason: 'changed',
    })
    expect(text(await io().read(location))).toBe('b0')
    expect(await io().write(location, bytes('c0'), { kind: 'if-absent' })).toMatchObject({
      ok: false,
    })
  })

  test('[IO6] many swaps in a row each see the one before', async () => {
    const location = fresh()
    let etag = etagOf(await io().write(location, bytes('0'), { kind: 'if-absent' }))
    const seen = new Set([etag])
    const swaps = 100 * fuzzEffort
    for (let round = 1; round <= swaps; round++) {
      etag = etagOf(await io().write(location, bytes(`${round}`), { kind: 'if-match', etag }))
      seen.add(etag)
      if (round % 50 === 0) expect(text(await io().read(location))).toBe(`${round}`)
    }
    expect(seen.size).toBe(swaps + 1)
  })
}

function testRaces({ io, fresh }: Context): void {
  test('[IO5] of many concurrent creators exactly one wins, and its body stands', async () => {
    for (let round = 0; round < 5; round++) {
      const location = fresh()
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, writer) =>
          io().write(location, bytes(`writer ${writer}`), { kind: 'if-absent' }),
        ),
      )
      const winners = results.flatMap((result, writer) => (result.ok ? [writer] : []))
      expect(winners).toHaveLength(1)
      expect(text(await io().read(location))).toBe(`writer ${winners[0]}`)
    }
  })

  test('[IO6] a counter swapped by many concurrent writers loses no step', async () => {
    const location = fresh()
    await io().write(location, bytes('0'), { kind: 'if-absent' })
    const writers = 6
    const steps = 8
    const increment = async (): Promise<void> => {
      for (let done = 0; done < steps; ) {
        const { body, etag } = await io().readObject(location)
        const next = bytes(`${Number(text(body)) + 1}`)
        const result = await io().write(location, next, { kind: 'if-match', etag })
        if (result.ok) done++
      }
    }
    await Promise.all(Array.from({ length: writers }, increment))
    expect(text(await io().read(location))).toBe(String(writers * steps))
  })
}

function testListAndDelete({ io, prefix, fresh, manyObjects }: Context): void {
  test('[IO9] list() finds every object below a prefix, however deep, and nothing else', async () => {
    const base = fresh('/')
    const names = ['a', 'b/c', 'b/d/e', 'bb', 'b0/x']
    for (const name of names) await io().write(base + name, bytes(name))
    const found = (await listAll(io(), base)).map((info) => info.location)
    expect(found.sort()).toEqual(names.map((name) => base + name).sort())
    const below = (await listAll(io(), `${base}b/`)).map((info) => info.location)
    expect(below.sort()).toEqual([`${base}b/c`, `${base}b/d/e`])
    const starting = (await listAll(io(), `${base}b`)).map((info) => info.location)
    expect(starting.sort()).toEqual(['b/c', 'b/d/e', 'b0/x', 'bb'].map((name) => base + name))
    expect(await listAll(io(), `${prefix()}nothing-here/`)).toEqual([])
  })

  test('[IO9] list() shows a swapped object once, with its last size and etag', async () => {
    const location = fresh()
    let etag = etagOf(await io().write(location, bytes('0')))
    for (const body of ['11', '222', '4444']) {
      etag = etagOf(await io().write(location, bytes(body), { kind: 'if-match', etag }))
    }
    const found = await listAll(io(), prefix())
    expect(found.filter((info) => info.location.startsWith(location))).toMatchObject([
      { location, sizeBytes: 4, etag },
    ])
  })

  test('[IO10] delete() removes plain and swapped objects, and a missing one is no error', async () => {
    const plain = fresh()
    const swapped = fresh()
    await io().write(plain, bytes('plain'))
    const etag = etagOf(await io().write(swapped, bytes('s0')))
    await io().write(swapped, bytes('s1'), { kind: 'if-match', etag })
    await io().delete([plain, swapped, fresh()])
    for (const location of [plain, swapped]) {
      expect(await io().stat(location)).toBeUndefined()
      await expect(io().read(location)).rejects.toThrow(NotFoundError)
    }
    expect(await listAll(io(), prefix())).toEqual([])
    await io().delete([])
    expect((await io().write(swapped, bytes('again'), { kind: 'if-absent' })).ok).toBe(true)
    expect(text(await io().read(swapped))).toBe('again')
  })

  test('[IO10] delete() takes more objects than one request of a store does', async () => {
    const base = fresh('/')
    const locations = Array.from({ length: manyObjects() }, (_, index) => `${base}${index}`)
    for (let at = 0; at < locations.length; at += 50) {
      await Promise.all(locations.slice(at, at + 50).map((one) => io().write(one, bytes('x'))))
    }
    expect(await listAll(io(), base)).toHaveLength(locations.length)
    await io().delete(locations)
    expect(await listAll(io(), base)).toEqual([])
  })
}

function testFiles({ io, fresh, scratch }: Context): void {
  test('[IO11] upload() stores a file and reports what the store holds', async () => {
    const location = fresh('.bin')
    const source = join(scratch(), 'source.bin')
    const body = Buffer.alloc(300_000, 'tidewater')
    await writeFile(source, body)
    const info = await io().upload(source, location)
    expect(info).toMatchObject({ location, sizeBytes: body.length })
    expect(info.etag).toBe((await io().stat(location))?.etag)
    expect(body.equals(await io().read(location))).toBe(true)
  })

  test('[IO11] upload() of a missing file names it and stores nothing', async () => {
    const location = fresh()
    const source = join(scratch(), 'no-such-file')
    await expect(io().upload(source, location)).rejects.toThrow(NotFoundError)
    await expect(io().upload(source, location)).rejects.toThrow(/no-such-file/)
    expect(await io().stat(location)).toBeUndefined()
  })

  test('[IO12] download() brings an object whole, or leaves nothing behind', async () => {
    const location = fresh()
    const target = join(scratch(), 'target.bin')
    const body = Buffer.alloc(150_000, 'lake')
    await io().write(location, body)
    await io().download(location, target)
    expect(body.equals(await readFile(target))).toBe(true)
    const deep = join(scratch(), 'new', 'folder', 'target.bin')
    await io().download(location, deep)
    expect(body.equals(await readFile(deep))).toBe(true)
    // A file stands where a directory is needed: the fault of this machine, and it says where.
    await expect(io().download(location, join(target, 'x'))).rejects.toThrow(/file:.*target\.bin/)
    const before = await readdir(scratch())
    await expect(io().download(fresh(), join(scratch(), 'none'))).rejects.toThrow(NotFoundError)
    expect(await readdir(scratch())).toEqual(before)
  })

  test('a location that this store does not serve is refused', async () => {
    for (const location of ['no-scheme', 'gopher://x/y', '', 's3://', 'memory://']) {
      await expect(io().read(location)).rejects.toThrow(ValidationError)
      await expect(io().write(location, bytes('x'))).rejects.toThrow(ValidationError)
    }
  })
}

async function listAll(io: FileIO, prefix: string): Promise<{ location: string; etag: string }[]> {
  const found = []
  for await (const info of io.list(prefix)) found.push(info)
  return found
}

function etagOf(result: { ok: boolean; etag?: string }): string {
  if (!result.ok || result.etag === undefined) throw new Error('the write lost its condition')
  return result.etag
}

function bytes(content: string): Uint8Array {
  return Buffer.from(content)
}

function text(body: Uint8Array): string {
  return Buffer.from(body).toString()
}
