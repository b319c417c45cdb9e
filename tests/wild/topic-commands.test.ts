/** `tide topic` takes what people know from kcat and rpk, or refuses it; nothing is half done in silence (K16). */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedLog, createEmbeddedProducer } from '../../ingest/index.ts'
import { tide as runTide, type TideOutcome } from '../support/tide.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-wild-topic-'))
})
afterEach(() => rm(directory, { recursive: true }))

const tide = (args: readonly string[], input?: string): Promise<TideOutcome> =>
  runTide([...args, '--log', 'log'], { directory, ...(input === undefined ? {} : { input }) })
const produce = (flags: readonly string[], input: string): Promise<TideOutcome> =>
  tide(['topic', 'produce', 't', '--create', ...flags], input)
const consume = async (...flags: readonly string[]): Promise<string> =>
  (await tide(['topic', 'consume', 't', '-e', ...flags])).stdout
const openLog = (): Promise<EmbeddedLog> => EmbeddedLog.open(join(directory, 'log'))

describe('K16 produce: key, value and headers as kcat and rpk write them', () => {
  // -1 is the size of null, as kcat and rpk print it.
  it.each([
    ['a tab', ['-K', '\\t'], 'k\tv', 'k=v 1 1', ''],
    ['a delimiter of several bytes', ['-K', '::'], 'k::v:', 'k=v: 1 2', ''],
    ['a unit separator', ['-K', '\\x1f'], 'k\u001fv', 'k=v 1 1', ''],
    ['a NUL', ['-K', '\\0'], 'k\0v', 'k=v 1 1', ''],
    ['a newline that no line holds', ['-K', '\\n'], 'kv', '=kv -1 2', '1 of them had no'],
    ['a backslash', ['-K', '\\\\'], 'k\\v', 'k=v 1 1', ''],
    ['a backslash alone', ['-K', '\\'], 'k\\v', 'k=v 1 1', ''],
    ['a line without the delimiter', ['-K', ':'], 'kv', '=kv -1 2', '1 of them had no ":"'],
    ['the same, with -k', ['-K', ':', '-k', 'x'], 'kv', 'x=kv 1 2', '1 of them had no ":"'],
    ['an empty key is no null key', ['-K', ':'], ':v', '=v 0 1', ''],
    ['an empty key with -Z', ['-K', ':', '-Z'], ':v', '=v -1 1', ''],
    ['an empty value', ['-K', ':'], 'k:', 'k= 1 0', ''],
    ['a tombstone', ['-K', ':', '-Z'], 'k:', 'k= 1 -1', ''],
    ['an empty line', [], '\n', '= -1 0', ''],
    ['an empty line as a tombstone', ['-k', 'k', '-Z'], '\n', 'k= 1 -1', ''],
  ] as const)('K16 %s', async (_, flags, line, shown, said) => {
    const { code, stderr } = await produce(flags, line)
    expect([code, stderr]).toEqual([0, expect.stringContaining(said)])
    expect(await consume('-f', '%k=%s %K %S')).toBe(shown)
  })

  it.each([
    ['an unknown escape', ['-K', '\\q'], 'unknown escape "\\q" in -K'],
    ['no delimiter', ['-K', ''], '-K needs a delimiter'],
    ['a header without a name', ['-H', '=v'], '--header takes name=value'],
  ])('K16 refuses %s, and writes nothing', async (_, flags, message) => {
    const { code, stderr } = await produce(flags, 'v')
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
    expect(await readdir(directory)).toEqual([])
  })

  it('K16 headers: a value with =, an empty one, null', async () => {
    await produce(['-H', 'a=b=c', '-H', 'e=', '-H', 'n'], 'v')
    expect(await consume('-f', '%h|%H|%h{<%k=%v>}')).toBe('a=b=c,e=,n=NULL|3|<a=b=c><e=><n=>')
  })
})

describe('K16 consume: bytes as they are', () => {
  const binary = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a])
  it.each([
    ['%s', [...binary]],
    ['%k', [0x80]],
    ['%h', [...Buffer.from('h='), 0xfe, 0xff]],
    ['%h{%v}', [0xfe, 0xff]],
    ['%v{hex}', [...Buffer.from('ff00c3280a')]],
    ['%k{base64}', [...Buffer.from('gA==')]],
    ['%k{base64raw}', [...Buffer.from('gA')]],
    ['%h{%k=%v{hex};}', [...Buffer.from('h=feff;')]],
    ['%R', [0, 0, 0, 5]],
    ['%S %K %H %i', [...Buffer.from('5 1 1 1')]],
    ['\\x00\\t%%%{%}', [0, 9, ...Buffer.from('%{}')]],
  ])('K16 -f %s', async (format, bytes) => {
    const log = await openLog()
    await log.createTopic('t', 1)
    const record = {
      key: Buffer.of(0x80),
      value: binary,
      headers: [{ name: 'h', value: Buffer.of(0xfe, 0xff) }],
    }
    await log.append({ topic: 't', partition: 0 }, [record])
    await log.close()
    // Through the sink of the test as latin1, which keeps every byte.
    const chunks: number[] = []
    const outcome = await runTide(['topic', 'consume', 't', '-e', '-f', format, '--log', 'log'], {
      directory,
      onStdout: (chunk) => chunks.push(...chunk),
    })
    expect(outcome.code).toBe(0)
    expect(chunks).toEqual(bytes)
  })

  it.each(['%v{big64}', '%d{go[2006]}', '%q', '%', '\\q', '%p{hex}'])(
    'K16 refuses -f %s',
    async (format) => {
      await produce([], 'v')
      const { code, stdout } = await tide(['topic', 'consume', 't', '-e', '-f', format])
      expect([code, stdout]).toEqual([2, ''])
    },
  )

  it('K16 -Z prints NULL for null, and only for null', async () => {
    await produce(['-K', ':', '-Z'], ':v\nk:\n')
    await produce(['-K', ':'], 'k:\n')
    expect(await consume('-Z', '-f', '%k=%s;')).toBe('NULL=v;k=NULL;k=;')
  })

  it.each([
    [['-o', 'beginning'], '0123456789'],
    [['-o', 'start'], '0123456789'],
    [['-o', 'end'], ''],
    [['-o', '-3'], '789'],
    [['-o', '+8'], '89'],
    [['-o', '4:6'], '45'],
    [['-o', ':3'], '012'],
    [['-o', ':end'], '0123456789'],
    [['-o', '7:'], '789'],
    [['-o', '@1700000005000'], '56789'],
    [['-o', '@:1700000002000'], '01'],
    [['-o', 's@1700000005000', '-o', 'e@1700000008000'], '567'],
    [['-o', '@1700000005000:1700000008000'], '567'],
    [['-o', '@1700000005000:2s'], '56'],
    [['-c', '2'], '01'],
    [['-n', '2', '-o', '5'], '56'],
    [['-o', '99'], ''],
    [['-p', '0', '-o', '-1'], '9'],
  ])('K16 %j', async (flags, shown) => {
    const log = await openLog()
    await log.createTopic('t', 1)
    for (let id = 0; id < 10; id++) {
      await log.appendValues({ topic: 't', partition: 0 }, [`${id}`], 1_700_000_000_000 + id * 1000)
    }
    await log.close()
    expect(await consume('-f', '%s', ...flags)).toBe(shown)
  })
})

describe('K16 what cannot be written is told', () => {
  it('K16 [R16] one partition locked by another producer: no record of the batch is written', async () => {
    const other = await openLog()
    await other.createTopic('t', 2)
    await other.appendValues({ topic: 't', partition: 1 }, [])
    // Another instance locks as another process does.
    const { code, stderr } = await produce([], '1\n2\n3\n4\n')
    expect([code, stderr]).toEqual([1, expect.stringContaining('another process appends')])
    expect(await consume()).toBe('')
    await other.close()
    expect((await produce([], '1\n2\n3\n4\n')).code).toBe(0)
  })

  it('K16 [R16] a disk that fails in one of two partitions: the error names the offsets that are written', async () => {
    const log = await openLog()
    await log.createTopic('t', 2)
    const records = ['a', 'b', 'c', 'd'].map((value, index) => ({ value, partition: index % 2 }))
    const failing: EmbeddedLog = Object.create(log, {
      append: {
        value: (
          partition: { partition: number; topic: string },
          group: readonly { value: string }[],
        ) =>
          partition.partition === 1
            ? Promise.reject(new Error('ENOSPC: no space left on device'))
            : log.append(partition, group),
      },
      claim: { value: () => Promise.resolve() },
      describeTopic: { value: (topic: string) => log.describeTopic(topic) },
    })
    await expect(createEmbeddedProducer(failing).produce('t', records)).rejects.toThrow(
      'only 2 of 4 records were written (partition:offsets 0:0 to 1); ENOSPC',
    )
    await log.close()
  })

  it('K16 a record too large names its size and the limit', async () => {
    const log = await openLog()
    await log.createTopic('t', 1)
    const records = [{ value: 'small' }, { value: Buffer.alloc((128 << 20) + 1) }]
    await expect(log.append({ topic: 't', partition: 0 }, records)).rejects.toThrow(
      /larger than the embedded log takes.*bytes=134217729 limit=134217728/,
    )
    expect(await log.offsetBounds({ topic: 't', partition: 0 })).toEqual({
      earliest: 0n,
      latest: 0n,
    })
    await log.close()
  })

  it.each([
    ['create', 'a b'],
    ['create', '..'],
    ['create', 'x'.repeat(250)],
    ['describe', 'a/b'],
    ['consume', 'ä'],
    ['produce', 'a:0'],
    ['repair', 'a/../b'],
  ])('K16 %s: a bad topic name is told with the rule', async (verb, name) => {
    await produce([], 'v')
    const { code, stderr } = await tide(['topic', verb, name], 'v')
    expect([code, stderr]).toEqual([1, expect.stringContaining('topic names are 1 to 249')])
  })

  it.each([
    [['topic', 'ls']],
    [['topic', 'describe', 't']],
    [['topic', 'consume', 't', '-e']],
    [['topic', 'produce', 't']],
    [['topic', 'repair', 't']],
  ])('K16 a mistyped --log is told and makes no log: %j', async (args) => {
    const { code, stderr } = await tide(args, 'v')
    expect([code, stderr]).toEqual([1, expect.stringContaining('there is no embedded log')])
    expect(await readdir(directory)).toEqual([])
  })
})
