/** The command as a user meets it: arguments in; stdout, stderr, files and an exit code out. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLake } from '../app/index.ts'
import { parseLakeSettings } from '../app/settings/index.ts'
import { variableSource } from '../settings/index.ts'
import { runCli } from './run.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-cli-'))
})
afterEach(() => rm(directory, { recursive: true }))

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function tide(line: string, environment: Record<string, string> = {}): Promise<Outcome> {
  const [stdout, stderr] = [new TextSink(), new TextSink()]
  const code = await runCli({
    args: line.split(' '),
    streams: { stdin: Readable.from([]), stdout, stderr },
    environment,
    directory,
    signal: new AbortController().signal,
  })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class TextSink extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function project(files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(directory, 'streams'), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
}

const lakeYaml = 'catalog: { warehouse: ./warehouse }\n'
const streamYaml = `name: events
input: { kafka: { seed_brokers: ["127.0.0.1:9092"], topics: [events], start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: web.events, partition_by: ["day(ts)"], commit: { interval: 10s } } }
`

/** A table `web.events` in ./warehouse, made through the library. */
async function makeTable(): Promise<void> {
  const { settings } = parseLakeSettings({
    text: lakeYaml,
    file: 'tidewater.yaml',
    variables: variableSource({}),
    overrides: [],
    directory,
  })
  const lake = await openLake(settings)
  await lake.catalog.createNamespace(['web'])
  await lake.catalog.createTable({
    identifier: { namespace: ['web'], name: 'events' },
    schema: {
      schemaId: 0,
      identifierFieldIds: [],
      fields: [
        { id: 1, name: 'id', required: true, type: { type: 'long' } },
        { id: 2, name: 'ts', required: false, type: { type: 'timestamptz' } },
      ],
    },
    partitionSpec: {
      specId: 0,
      fields: [{ sourceId: 2, fieldId: 1000, name: 'ts_day', transform: { kind: 'day' } }],
    },
    properties: { 'commit.retry.num-retries': '9' },
  })
  await lake.close()
}

describe('tide', () => {
  it('prints version and help with exit 0', async () => {
    expect((await tide('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    const help = await tide('--help')
    expect(help.code).toBe(0)
    for (const command of ['init', 'stream', 'table'])
      expect(help.stdout).toContain(`\n  ${command}`)
    expect((await tide('--help stream')).stdout).toBe(help.stdout)
  })

  it.each([
    ['tabel list', "unknown command 'tabel'\n(Did you mean table?)"],
    ['table list --wharehouse x', "unknown option '--wharehouse'"],
    ['stream', 'Usage: tide stream'],
    ['table drop', "missing required argument 'table'"],
    ['table list -o jsn', 'unknown output format "jsn", did you mean json'],
    ['table list --set warehouse', '--set takes path=value, found "warehouse"'],
    ['table list --log-level loud', 'unknown log level "loud"'],
    ['stream replay events --to-offset events:0=x --into fix', 'found "events:0=x"'],
    ['stream replay events --to-earliest --until events:0 --until 1=2 --into fix', '--until takes'],
    ['stream replay events --to-earliest --until events=2 --into fix', 'found "events=2"'],
    ['table rewrite-data-files a.b --option bogus=1', 'unknown option of rewrite-data-files'],
    ['table rewrite-data-files a.b --option min-input-files=x', 'min-input-files'],
    ['table remove-orphan-files a.b --older-than 1h', 'give a day or more'],
  ])('answers wrong use with exit 2: %s', async (line, message) => {
    const outcome = await tide(line, { TIDEWATER_CATALOG__WAREHOUSE: directory })
    expect(outcome.stderr).toContain(message)
    expect(outcome.code).toBe(2)
    expect(outcome.stdout).toBe('')
  })

  it('asks for a warehouse with exit 2 and no stack', async () => {
    const outcome = await tide('table list')
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toContain('catalog.warehouse: is required')
    expect(outcome.stderr).not.toContain('    at ')
    expect((await tide('table list --debug')).stderr).toContain('    at ')
  })

  it('names a missing settings file and a typo in the environment', async () => {
    expect((await tide('table list --config no.yaml')).stderr).toBe(
      'error: cannot read no.yaml: no such file\n',
    )
    const typo = await tide('table list', { TIDEWATER_CATALOG__WAREHOUS: 'x' })
    expect(typo.stderr).toContain('did you mean TIDEWATER_CATALOG__WAREHOUSE')
    expect(typo.code).toBe(2)
  })
})

describe('tide init', () => {
  it('writes a project that lints, and never overwrites', async () => {
    const made = await tide('init shop --template kafka-json')
    expect(made.code).toBe(0)
    expect(made.stdout).toContain('wrote shop/tidewater.yaml\nwrote shop/streams/events.yaml\n')
    expect(await readFile(join(directory, 'shop/.env.example'), 'utf8')).toContain('KAFKA_BROKERS')
    const linted = await tide('stream lint shop/tidewater.yaml shop/streams')
    expect(linted).toEqual({ code: 0, stdout: '', stderr: '2 files checked, no fault\n' })
    const again = await tide('init shop')
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('nothing was written, because tidewater.yaml')
  })

  it('knows its templates', async () => {
    const made = await tide('init shop')
    expect(made.code).toBe(0)
    expect(made.stderr).toContain('cd shop && npx tide dev')
    // The default runs with nothing else installed.
    expect(await readFile(join(directory, 'shop/streams/events.yaml'), 'utf8')).toContain(
      'embedded:',
    )
    expect((await tide('stream lint shop/streams')).code).toBe(0)
    const later = await tide('init other --template avro')
    expect(later.code).toBe(2)
    expect(later.stderr).toContain('template "avro" is not in this release')
    const typo = await tide('init other --template kafka-jsn')
    expect(typo.stderr).toContain('did you mean kafka-json')
  })
})

describe('tide stream lint', () => {
  it('prints file:line:col key: message, the likely key, and exits 1', async () => {
    await project({
      'tidewater.yaml': 'catalog: { warehuose: x }\n',
      'streams/events.yaml': streamYaml.replace('topics:', 'topcs:').replace('10s', '10'),
    })
    const outcome = await tide('stream lint')
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toBe('')
    const lines = outcome.stdout.trimEnd().split('\n')
    expect(lines[0]).toContain(
      'tidewater.yaml:1:12 catalog.warehuose: unknown key "warehuose", did you mean warehouse',
    )
    expect(lines[1]).toBe('streams/events.yaml:2:17 input.kafka.topics: is required')
    expect(lines[2]).toContain(
      'streams/events.yaml:2:53 input.kafka.topcs: unknown key "topcs", did you mean topics',
    )
    expect(lines[3]).toBe(
      'streams/events.yaml:4:88 output.iceberg.commit.interval: a bare number has no unit: write 10s for seconds or 10ms for milliseconds',
    )
    expect(lines).toHaveLength(4)
  })

  it('finds two streams of one name on one table', async () => {
    await project({ 'streams/a.yaml': streamYaml, 'streams/b.yaml': streamYaml })
    const outcome = await tide('stream lint')
    expect(outcome.stdout).toBe(
      'streams/b.yaml:1:7 name: "events" with the same table is also in streams/a.yaml\n',
    )
    expect(outcome.code).toBe(1)
  })

  it('refuses what the table could never hold, at its place, as run does before a table is made', async () => {
    const fields = `schema:
  fields:
    - { name: i, type: int }
    - { name: user, type: "struct<id: long>" }
    - { name: h, type: "fixed[3]" }
`
    const declared = streamYaml.replace('schema: { mode: json_infer }\n', fields)
    const terms = '[bucket(4,i), day(i), bucket(4,user.id)]'
    await project({
      'tidewater.yaml': lakeYaml,
      'streams/a.yaml': declared.replace('["day(ts)"]', terms),
      'streams/b.yaml': streamYaml.replace('["day(ts)"]', '[service.name]'),
    })
    const outcome = await tide('stream lint')
    expect(outcome.code).toBe(1)
    expect(outcome.stdout.trimEnd().split('\n')).toEqual([
      'streams/a.yaml:7:24 schema.fields[2].type: fixed columns cannot be filled from json; declare binary: column=h',
      expect.stringMatching(
        /^streams\/a.yaml:8:69 output.iceberg.partition_by\[1\]: this partition/,
      ),
      expect.stringMatching(
        /^streams\/a.yaml:8:77 output.iceberg.partition_by\[2\]: a stream's table/,
      ),
    ])
    const a = 'streams/a.yaml'
    for (const line of [`stream run ${a} --until latest`, `stream dry-run ${a}`, 'dev']) {
      if (line === 'dev') await rm(join(directory, 'streams/b.yaml'))
      const { code, stderr } = await tide(line)
      expect(code, line).toBe(2)
      expect(stderr, line).toContain('streams/a.yaml:7:24 schema.fields[2].type: fixed columns')
    }
    expect((await tide('doctor streams/a.yaml')).stdout).toContain('fixed columns cannot be filled')
  })

  it('lists, shows and reads streams whose new table would be refused', async () => {
    const fields = 'schema: { fields: [{ name: h, type: "fixed(3)" }] }'
    const log = '{ embedded: { directory: ../log, topics: [events] } }'
    const fixed = streamYaml
      .replace('schema: { mode: json_infer }', fields)
      .replace(/input: .*/, `input: ${log}`)
      .replace('["day(ts)"]', '[h]')
    await project({ 'tidewater.yaml': lakeYaml, 'streams/a.yaml': fixed })
    expect((await tide('stream lint')).stdout).toContain('fixed columns cannot be filled')
    for (const line of ['stream ls', 'stream echo', 'stream status', 'topic create events']) {
      expect((await tide(line)).stderr, line).not.toContain('fixed columns')
    }
    expect((await tide('stream ls -o json')).code).toBe(0)
    expect((await tide('topic ls')).stdout).toContain('events')
  })

  it('warns of properties that are only stored, and still exits 0', async () => {
    const properties =
      'properties: { write.order: x, write.parquet.page-size-bytes: 1, write.target-file-size-bytes: 1, write.delete.mode: merge-on-read }, '
    await project({ 'streams/a.yaml': streamYaml.replace('commit:', `${properties}commit:`) })
    const outcome = await tide('stream lint')
    expect(outcome.code).toBe(0)
    for (const name of ['write.order', 'write.parquet.page-size-bytes']) {
      expect(outcome.stdout).toContain(
        `output.iceberg.properties.${name}: ${name} is stored but not acted on`,
      )
    }
    expect(outcome.stdout).not.toMatch(/properties\.write\.(?:target|delete)/)
  })

  it('says that there are no files', async () => {
    expect((await tide('stream lint')).stderr).toContain('no stream files')
    expect((await tide('stream lint nope.yaml')).stderr).toContain('cannot read nope.yaml')
  })
})

describe('tide stream echo and ls', () => {
  it('echo prints what holds, with origins and without secrets', async () => {
    await project({
      'tidewater.yaml': `catalog: { warehouse: "s3://b/w", s3.access-key-id: k, s3.secret-access-key: "\${SECRET}" }\n`,
      'streams/events.yaml': streamYaml,
    })
    const environment = { SECRET: 'hush', TIDEWATER_OUTPUT__ICEBERG__COMMIT__INTERVAL: '1m' }
    const args = 'stream echo --origin --set output.iceberg.branch=trial'
    const { stdout, code } = await tide(args, environment)
    expect(code).toBe(0)
    expect(stdout).not.toContain('hush')
    expect(stdout).toContain('warehouse: s3://b/w # tidewater.yaml:1:23\n')
    expect(stdout).toContain('s3.secret-access-key: "***" # tidewater.yaml:1:78\n')
    expect(stdout).toContain('branch: trial # flag --set\n')
    expect(stdout).toContain('interval: 1m # env TIDEWATER_OUTPUT__ICEBERG__COMMIT__INTERVAL\n')
    expect(stdout).toContain('max_bytes: 512MB # default\n')
  })

  it('echo answers in a format for programs when asked', async () => {
    await project({ 'streams/events.yaml': streamYaml })
    const { stdout } = await tide('stream echo streams/events.yaml -o jsonl')
    expect(stdout.split('\n')[0]).toBe(
      '{"file":"streams/events.yaml","key":"name","value":"events","origin":"streams/events.yaml:1:7"}',
    )
  })

  it('ls lists the streams; --env-file brings variables', async () => {
    await project({
      'streams/events.yaml': streamYaml
        .replace('web.events', '${TABLE}')
        .replace('table: ${TABLE}', 'table: "${TABLE}"'),
      '.env': 'TABLE=web.clicks\n',
    })
    expect((await tide('stream ls --env-file .env')).stdout).toBe(
      'NAME    INPUT  TOPICS  TABLE       FILE\nevents  kafka  events  web.clicks  streams/events.yaml\n',
    )
    const unset = await tide('stream ls')
    expect(unset.code).toBe(2)
    expect(unset.stderr).toContain(
      'streams/events.yaml:4:29 output.iceberg.table: variable TABLE is not set',
    )
  })
})

describe('tide --set', () => {
  it('sets keys of both documents at once and refuses what neither has', async () => {
    await project({ 'tidewater.yaml': lakeYaml, 'streams/events.yaml': streamYaml })
    const both = '--set catalog.warehouse=s3://b/w --set output.iceberg.table=web.other'
    const { stdout, code } = await tide(`stream echo --origin ${both}`)
    expect(code).toBe(0)
    expect(stdout).toContain('warehouse: s3://b/w # flag --set\n')
    expect(stdout).toContain('table: web.other # flag --set\n')
    const typo = await tide('stream ls --set output.iceberg.tabel=web.other')
    expect(typo.code).toBe(2)
    expect(typo.stderr).toContain('did you mean output.iceberg.table')
    expect((await tide('table list --set output.iceberg.table=web.other')).code).toBe(0)
  })
})

describe('tide table', () => {
  beforeEach(async () => {
    await project({ 'tidewater.yaml': lakeYaml })
    await makeTable()
  })

  it('lists tables, also of one namespace and through flags', async () => {
    const expected = 'NAMESPACE  TABLE\nweb        events\n'
    expect((await tide('table list')).stdout).toBe(expected)
    expect((await tide('table list web')).stdout).toBe(expected)
    expect((await tide('table list -o csv')).stdout).toBe(
      'namespace,table,name\nweb,events,web.events\n',
    )
    expect((await tide('--warehouse ./elsewhere table list')).stdout).toBe('no tables\n')
    expect((await tide('table list nope')).code).toBe(1)
  })

  it('shows schema, spec, snapshots, uuid, location and a description', async () => {
    expect((await tide('table schema web.events')).stdout).toBe(
      'ID  NAME  TYPE         REQUIRED\n 1  id    long         true\n 2  ts    timestamptz  false\n',
    )
    expect((await tide('table spec web.events')).stdout).toBe(
      'FIELD-ID  NAME    TRANSFORM  SOURCE\n    1000  ts_day  day        ts\n',
    )
    expect((await tide('table snapshots web.events')).stdout).toBe('no snapshots\n')
    expect((await tide('table uuid web.events')).stdout).toMatch(/^[0-9a-f-]{36}\n$/)
    expect((await tide('table location web.events')).stdout).toContain('/warehouse/web/events')
    const described = JSON.parse((await tide('table describe web.events -o json')).stdout) as object
    expect(described).toMatchObject({
      name: 'web.events',
      'format-version': 2,
      'partition-by': 'day(ts)',
      schema: 'id: long required\nts: timestamptz',
      'current-snapshot': null,
    })
  })

  it('gets, sets and removes properties', async () => {
    expect((await tide('table properties get web.events commit.retry.num-retries')).stdout).toBe(
      '9\n',
    )
    const set = await tide('table properties set web.events owner me')
    expect(set.stderr).toBe('web.events: owner=me (was not set)\n')
    expect((await tide('table properties get web.events -o jsonl')).stdout).toContain(
      '"owner":"me"',
    )
    expect((await tide('table properties remove web.events owner')).code).toBe(0)
    const gone = await tide('table properties get web.events ownr')
    expect(gone).toMatchObject({ code: 1, stdout: '' })
    expect(gone.stderr).toContain('web.events has no property ownr')
  })

  it('refuses a property that nobody could read, and says which have no effect', async () => {
    const age = 'history.expire.max-snapshot-age-ms'
    for (const value of ['5d', '-1']) {
      const set = await tide(`table properties set web.events ${age} ${value}`)
      expect(set.code).not.toBe(0)
      expect(set.stderr).toContain(`the table property ${age} must be a whole number`)
      expect(set.stderr).toContain(`value=${value}`)
    }
    const kept = await tide('table properties set web.events write.delet.mode x')
    expect(kept.code).toBe(0)
    expect(kept.stderr).toContain(
      'write.delet.mode is stored but not acted on, did you mean write.delete.mode',
    )
    expect((await tide('table properties remove web.events write.delet.mode')).code).toBe(0)
  })

  it('renames and drops', async () => {
    expect((await tide('table rename web.events web.clicks')).code).toBe(0)
    expect((await tide('table list -o jsonl')).stdout).toContain('web.clicks')
    expect((await tide('table drop web.clicks --purge')).stderr).toContain('its files were deleted')
    expect((await tide('table list')).stdout).toBe('no tables\n')
    const gone = await tide('table drop web.clicks')
    expect(gone.code).toBe(1)
    expect(gone.stderr).toMatch(/^error: .*web\.clicks/)
  })

  it('refuses a name without a namespace', async () => {
    const outcome = await tide('table describe events')
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toContain('"events" has no namespace: write namespace.table')
  })
})
