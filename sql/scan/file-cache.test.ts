import { mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryFileIO, type FileIO } from '../../io/index.ts'
import { FileCache, type CacheableFile } from './file-cache.ts'

let directory: string
let io: MemoryFileIO
let downloads: string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-cache-'))
  io = new MemoryFileIO()
  downloads = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

function cache(bytesMax = 1000, nowMs = (): number => 1_000_000): FileCache {
  const counting: FileIO = new Proxy(io, {
    get: (target, key) => {
      if (key === 'download') {
        return (location: string, path: string): Promise<void> => {
          downloads.push(location)
          return target.download(location, path)
        }
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const clock = { now: nowMs, monotonic: nowMs, sleep: () => Promise.resolve() }
  return new FileCache({ io: counting, directory, bytesMax, clock })
}

async function put(name: string, size: number): Promise<CacheableFile> {
  const location = `memory://lake/${name}`
  await io.write(location, new Uint8Array(size).fill(name.charCodeAt(0)))
  return { location, sizeBytes: size }
}

async function entries(): Promise<readonly string[]> {
  return readdir(join(directory, 'entries'))
}

describe('FileCache', () => {
  it('lease() fetches each object once and gives its bytes', async () => {
    const subject = cache()
    const files = [await put('a', 10), await put('b', 20)]
    const first = await subject.lease(files)
    expect(first.bytesFetched).toBe(30)
    const path = first.paths.get('memory://lake/b') ?? ''
    expect(await readFile(path, 'utf8')).toBe('b'.repeat(20))
    await first.release()
    const second = await subject.lease(files)
    expect(second.bytesFetched).toBe(0)
    expect(downloads).toHaveLength(2)
    await second.release()
    expect(await readdir(join(directory, 'leases'))).toEqual([])
  })

  it('lease() shares one download between queries that run at once', async () => {
    const subject = cache()
    const file = await put('a', 10)
    const leases = await Promise.all([subject.lease([file]), subject.lease([file])])
    expect(downloads).toHaveLength(1)
    await Promise.all(leases.map((lease) => lease.release()))
  })

  it('[Q8] lease() fetches again what is not whole', async () => {
    const subject = cache()
    const file = await put('a', 10)
    await (await subject.lease([file])).release()
    const [name = ''] = await entries()
    await truncate(join(directory, 'entries', name), 4)
    const lease = await subject.lease([file])
    expect(await readFile(lease.paths.get(file.location) ?? '', 'utf8')).toBe('aaaaaaaaaa')
    expect(downloads).toHaveLength(2)
    await lease.release()
  })

  it('[Q8] lease() refuses an object that is not as long as the manifest says', async () => {
    const file = await put('a', 10)
    await expect(cache().lease([{ ...file, sizeBytes: 11 }])).rejects.toThrow(
      /not as long as the manifest says.*size=10 manifest=11/,
    )
    expect(await entries()).toEqual([])
    expect(await readdir(join(directory, 'leases'))).toEqual([])
  })

  it('lease() evicts the longest unused entries beyond the bound', async () => {
    let now = 1_000_000
    const subject = cache(100, () => now)
    for (const name of ['a', 'b', 'c']) {
      now += 10_000
      await (await subject.lease([await put(name, 30)])).release()
    }
    now += 10_000
    await (await subject.lease([await put('a', 30)])).release()
    now += 10_000
    await (await subject.lease([await put('d', 30)])).release()
    downloads.length = 0
    await (
      await subject.lease([await put('a', 30), await put('c', 30), await put('d', 30)])
    ).release()
    expect(downloads).toEqual([])
    expect(await entries()).toHaveLength(3)
  })

  it('[Q9] a lease keeps its files while others evict', async () => {
    const holder = cache(50)
    const lease = await holder.lease([await put('a', 40)])
    const other = cache(50, () => 2_000_000)
    await (await other.lease([await put('b', 40)])).release()
    expect(await entries()).toHaveLength(1)
    expect((await stat(lease.paths.get('memory://lake/a') ?? '')).size).toBe(40)
    await lease.release()
  })

  it('lease() says what to do when a query needs more than the bound', async () => {
    await expect(cache(50).lease([await put('a', 30), await put('b', 30)])).rejects.toThrow(
      /filter more, raise its size, or read s3 directly.*bytes=60 cache_bytes=50/,
    )
  })

  it('removes leases of processes that died', async () => {
    const subject = cache()
    await (await subject.lease([await put('a', 1)])).release()
    const dead = join(directory, 'leases', '999999999-x')
    await writeFile(dead, '')
    await (await subject.lease([await put('b', 1)])).release()
    expect(await readdir(join(directory, 'leases'))).toEqual([])
  })
})
