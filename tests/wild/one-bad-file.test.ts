/** One faulty file among streams/ does not keep from the others; it is named, and the command ends with 1 (D, I3). */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedLog } from '../../ingest/index.ts'
import { tide as runTide, type TideOutcome } from '../support/tide.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-wild-file-'))
  await mkdir(join(directory, 'streams'))
  await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: ./lake }\n')
  const log = await EmbeddedLog.open(join(directory, 'log'))
  for (const topic of ['a', 'b']) {
    await log.createTopic(topic, 1)
    await log.appendValues({ topic, partition: 0 }, ['{"id": 1}', '{"id": 2}'])
  }
  await log.close()
  for (const name of ['a', 'z']) await writeStream(name, streamOf(name, name === 'a' ? 'a' : 'b'))
})
afterEach(() => rm(directory, { recursive: true }))

const streamOf = (name: string, topic: string, table = name): string => `name: ${name}
input: { embedded: { directory: ../log, topics: [${topic}] } }
schema: { fields: [{ name: id, type: long }] }
output: { iceberg: { table: web.${table}, commit: { interval: 100ms } } }
`
const writeStream = (name: string, yaml: string): Promise<void> =>
  writeFile(join(directory, `streams/${name}.yaml`), yaml)
const tide = (line: string, signal?: AbortSignal): Promise<TideOutcome> =>
  runTide(line, { directory, ...(signal === undefined ? {} : { signal }) })

/** Found when the file is read. `bad.yaml` lies between the good ones. */
const faults: readonly (readonly [string, string, string])[] = [
  ['a YAML fault', 'name: bad\n  input: {', 'streams/bad.yaml:1:7 not valid yaml'],
  ['an unknown key', `${streamOf('bad', 'a')}otuput: {}\n`, 'streams/bad.yaml:5:1 otuput'],
  ['a missing variable', streamOf('bad', '"${NO_SUCH_TOPIC}"'), 'NO_SUCH_TOPIC'],
  ['an empty file', '', 'streams/bad.yaml'],
  ['a list', '- name: bad\n', 'streams/bad.yaml'],
  ['a folder of that name', '', 'bad.yaml'],
]

async function writeFault(what: string, yaml: string): Promise<void> {
  if (what === 'a folder of that name') await mkdir(join(directory, 'streams/bad.yaml'))
  else await writeStream('bad', yaml)
}

describe('D one bad file', () => {
  it.each([
    ['stream lint', '', 1],
    ['stream dry-run', 'a (1 partitions)', 1],
    ['stream ls', 'web.z', 1],
    ['stream status', 'web.z', 1],
    ['stream echo', 'web.z', 1],
    ['stream run streams --until latest', 'web.z', 1],
    ['topic ls', 'b', 0],
  ])('D tide %s goes on with the good ones', async (line, shown, code) => {
    await writeStream('bad', 'name: bad\n  input: {')
    const outcome = await tide(line)
    expect([outcome.code, outcome.stdout]).toEqual([code, expect.stringContaining(shown)])
    if (code === 0) return
    expect(`${outcome.stdout}${outcome.stderr}`).toContain('streams/bad.yaml:1:7 not valid yaml')
  })

  it.each(faults)(
    'D %s: the others run, and the file itself reads nothing',
    async (what, yaml, said) => {
      await writeFault(what, yaml)
      const named = await tide('stream run streams/a.yaml streams/bad.yaml --until latest')
      expect(named.stderr).toContain(said)
      expect([named.code, named.stdout]).toEqual([2, ''])
      expect((await tide('table list')).stdout).toBe('no tables\n')
      const all = await tide('stream run --until latest')
      expect([all.code, all.stdout, all.stderr]).toEqual([
        1,
        expect.stringContaining('web.z'),
        expect.stringContaining(said),
      ])
    },
  )
})

describe('D one bad stream that is found only when it runs', () => {
  it.each([
    ['a topic that is not there', streamOf('bad', 'missing'), 'missing'],
    ['a log that is not there', streamOf('bad', 'a').replace('../log', '../nolog'), 'nolog'],
  ])('D %s: the others drain', async (_, yaml, said) => {
    await writeStream('bad', yaml)
    const run = await tide('stream run --until latest -o json')
    expect(JSON.parse(run.stdout)).toMatchObject([
      { stream: 'a', records: 2 },
      { stream: 'z', records: 2 },
    ])
    expect([run.code, run.stderr]).toEqual([1, expect.stringContaining(said)])
    const dry = await tide('stream dry-run')
    expect([dry.code, dry.stdout, dry.stderr]).toEqual([
      1,
      expect.stringContaining('web.z'),
      expect.stringContaining(said),
    ])
    const status = await tide('stream status')
    expect([status.code, status.stdout]).toEqual([1, expect.stringContaining('web.z')])
  })

  it('D two files that are the same stream: neither runs, the third does', async () => {
    await writeStream('bad', streamOf('a', 'a'))
    const { code, stderr, stdout } = await tide('stream run --until latest -o json')
    expect(JSON.parse(stdout)).toMatchObject([{ stream: 'z', records: 2 }])
    expect([code, stderr]).toEqual([1, expect.stringContaining('are the same stream: a -> web.a')])
    expect((await tide('stream run streams/a.yaml streams/bad.yaml --until latest')).code).toBe(2)
  })

  it.each([['stream run'], ['dev --port 0']])(
    'D tide %s goes on, and says what does not run',
    async (line) => {
      await writeStream('bad', 'name: bad\n  input: {')
      await writeStream('lost', streamOf('lost', 'missing'))
      const stop = new AbortController()
      const ended = tide(line, stop.signal)
      await expect
        .poll(
          async () => (await tide('stream status streams/a.yaml streams/z.yaml -o json')).stdout,
          {
            timeout: 120_000,
            interval: 500,
          },
        )
        .toMatch(/"commit_lag": ?0[^]*"commit_lag": ?0/)
      stop.abort()
      const { code, stderr } = await ended
      expect(stderr).toMatch(/"file":"[^"]*bad.yaml"[^\n]*"event":"stream.not-started"/)
      // dev makes the topics of an embedded log, which is the project's own.
      if (line === 'stream run')
        expect(stderr).toMatch(/"stream":"lost"[^\n]*"event":"stream.failed"/)
      expect(code).toBe(line === 'stream run' ? 1 : 0)
    },
  )
})
