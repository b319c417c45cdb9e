/**
 * README.md, typed in by a test: every fenced block in order and every whole command in its prose, in
 * one shell, with what a reader expects of each. A block or command that is not known here fails, so
 * that nothing enters the README untried. Where it says docker compose, the same services start
 * natively; ports differ from the README's, because a developer may have those in use.
 */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { BashSession, type CommandOutcome } from '../support/bash-session.ts'
import { patience } from '../support/eventually.ts'
import { inlineCommands, readmeBlocks, shellCommands } from '../support/readme-blocks.ts'
import {
  type KafkaService,
  type MinioService,
  duckdbExtensions,
  freePort,
  pythonEnvironment,
  repositoryRoot,
  requirePart,
  runCommand,
  startKafka,
  startMinio,
} from '../support/services/index.ts'
import { type Shop, startShop } from '../support/shop-example.ts'
import { buildTide, type TideBuild } from '../support/sink-process.ts'
import { tableReaders, tableSummary } from '../support/table-judge.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const exactId = '9007199254740993'
/** Names of commands in prose, which run nothing by themselves. */
const mentions = ['tide sql', 'tide serve', 'tide init', 'tide stream run', 'tide dev', 'npx tide']
/** What of a bench is enough to see that its command works as it stands there. */
const benchSample = ['--records', '20000', '--runs', '1']

const text = (name: string): Promise<string> => readFile(join(repositoryRoot, name), 'utf8')

describe.skipIf(!hasParts)('README.md', () => {
  let folder: string
  let session: BashSession
  let readme: string
  let catalogPort: number
  let kafka: KafkaService | undefined
  let minio: MinioService | undefined
  let shop: Shop | undefined
  let build: TideBuild | undefined

  beforeAll(async () => {
    readme = await text('README.md')
    catalogPort = await freePort()
    folder = await mkdtemp(join(tmpdir(), 'tide-readme-'))
    // As a clone is entered, without writing into this one.
    const clone = join(folder, 'clone of it')
    await mkdir(clone)
    for (const name of ['bin', 'node_modules', 'package.json']) {
      await symlink(join(repositoryRoot, name), join(clone, name))
    }
    session = new BashSession(folder, clone, {
      HOME: folder,
      TIDEWATER_SERVER__PORT: String(catalogPort),
      TIDEWATER_LOG_FORMAT: 'text',
    })
  })
  afterAll(async () => {
    session?.close()
    await shop?.close()
    await Promise.all([kafka?.stop(), minio?.stop(), build?.remove()])
    await rm(folder, { recursive: true, force: true })
  })

  /** With this run's ports in place of the README's. */
  const here = (block: string): string =>
    block
      .replaceAll('127.0.0.1:9092', kafka?.bootstrap ?? 'no broker yet')
      .replaceAll('127.0.0.1:9000', minio?.endpoint.replace('http://', '') ?? 'no store yet')
      .replaceAll('127.0.0.1:8181', `127.0.0.1:${catalogPort}`)

  const startServices = async (names: readonly string[]): Promise<void> => {
    const compose = parse(await text('docker-compose.yml')) as { readonly services: object }
    expect(names).toEqual(['kafka', 'minio'])
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining([...names]))
    kafka = await startKafka()
    minio = await startMinio()
  }

  const shell = async (command: string): Promise<void> => {
    const timed = /^(?:time )?(npm (?:test|run demo))$/.exec(command)?.[1]
    if (timed !== undefined) {
      // This test is part of the one, and CI itself runs both: the demo within the time that it may take.
      const minutes = timed === 'npm test' ? '\\d+' : '3'
      const step = `step ${minutes}m "${timed}" ${timed}( --silent)?$`
      expect(await text('.ci/run')).toMatch(new RegExp(step, 'm'))
      return
    }
    if (command === 'npm pack') {
      // Packed, installed into an empty folder and used by a test of its own.
      const test = await text('tests/e2e/package.test.ts')
      expect(test).toContain("const pack = ['pack', ")
      for (const use of ["'init'", "'demo'", "'dev'", 'import { type Lake, openLake }']) {
        expect(test).toContain(use)
      }
      return
    }
    if (command === 'npm run build') {
      // What `npm pack` does first, and what the launcher then runs instead of the sources.
      expect(await text('package.json')).toContain('"prepack": "npm run build"')
      return
    }
    if (command.startsWith('npx tsx bench/')) return bench(command)
    if (command === 'npm install') {
      // What the two commands do themselves, in every fresh clone.
      expect(await text('scripts/with-dependencies.mjs')).toContain("run('npm', ['ci',")
      return
    }
    const compose = /^docker compose up --detach --wait (.+)$/.exec(command)
    if (compose !== null) return startServices((compose[1] ?? '').split(' '))
    if (command === 'docker compose up --detach --wait') return openShop()
    if (command === 'docker compose down --volumes') return closeShop()
    if (command.endsWith(' &')) {
      const { line } = await session.start(here(command))
      expect(await line()).toBe(`http://127.0.0.1:${catalogPort}`)
      return
    }
    const [head = ''] = command.split('\n')
    const check = expected[head] ?? expectedSoon[head]
    if (check === undefined) throw new Error(`a command of README.md that no test knows: ${head}`)
    const tries = async (): Promise<void> => {
      const outcome = await session.run(here(command))
      expect(outcome.code, `${head}\n${outcome.stdout}${outcome.stderr}`).toBe(0)
      await check(outcome)
    }
    if (head in expectedSoon) await vi.waitFor(tries, patience)
    else await tries()
  }

  /** The command as it stands, over few records; a drain on this run's services. */
  const bench = async (command: string): Promise<void> => {
    const [program = '', ...args] = command.split(' ')
    if (!command.includes('bench/drain.ts')) {
      const output = await runCommand(program, [...args, ...benchSample], { cwd: repositoryRoot })
      expect(output).toContain('20000 rows, 1 runs each')
      expect(output.match(/^(httpfs|cache) \| .* \| \d+ of \d+$/gm)).toHaveLength(6)
      return
    }
    const places = ['--kafka', kafka?.bootstrap ?? '', '--minio', minio?.endpoint ?? '']
    const output = await runCommand(program, [...args, ...benchSample, ...places], {
      cwd: repositoryRoot,
    })
    expect(output).toContain('20000 records, 4 partitions, metadata struct')
    const [, codecs = ''] = /--codecs (\S+)/.exec(command) ?? []
    expect(codecs).not.toBe('')
    const [, client = 'sliced'] = /--clients (\S+)/.exec(command) ?? []
    for (const codec of codecs.split(',')) expect(output).toContain(`${client} ${codec} | `)
  }

  const openShop = async (): Promise<void> => {
    if (kafka === undefined || minio === undefined) throw new Error('README.md starts no services')
    build = await buildTide()
    const { bootstrap } = kafka
    const places = { bootstrap, endpoint: minio.endpoint, port: catalogPort, entry: build.entry }
    shop = await startShop(places)
    expect(shop.uri).toBe(`http://127.0.0.1:${catalogPort}`)
  }

  const closeShop = async (): Promise<void> => {
    await shop?.stopSelling()
    expect(await shop?.stop(), shop?.log()).toBe(0)
  }

  const yaml = async (block: string): Promise<void> => {
    const name = /^# (\S+\.yaml)\n/.exec(block)?.[1] ?? 'unnamed'
    const file = join(await session.directory(), name)
    // Replaces what `tide init` wrote, as the text above the block says.
    await readFile(file)
    await writeFile(file, here(block))
  }

  const python = async (block: string): Promise<void> => {
    const requirements = await text('tests/support/services/python-requirements.txt')
    const packages = /^# pip install (.+)$/m.exec(block)?.[1]?.split(' ') ?? []
    for (const name of ['pyiceberg', ...packages]) expect(requirements).toContain(`\n${name}==`)
    const script = join(folder, 'readme.py')
    await writeFile(script, here(block))
    const output = await (await pythonEnvironment()).run(script, [])
    expect(output).toContain('id: int64')
    expect(columnOf(output, 'id')).toEqual(['1', '3', '4', exactId])
  }

  const duckdb = async (block: string): Promise<void> => {
    const paths: Readonly<Record<string, string>> = await duckdbExtensions()
    const sql = here(block)
      .replaceAll(/INSTALL \w+;/g, '')
      .replaceAll(/LOAD (\w+);/g, (_, name: string) => `LOAD '${paths[name] ?? name}';`)
    const script = join(folder, 'readme_duckdb.py')
    const connect = `import duckdb, sys\nc = duckdb.connect(config={"allow_unsigned_extensions": "true"})\n`
    // The iceberg extension would download this one by itself.
    const code = `${connect}c.execute("LOAD '${paths['avro']}'")\nprint(c.execute(sys.stdin.read()).fetchall())\n`
    await writeFile(script, code)
    expect((await (await pythonEnvironment()).run(script, [], sql)).trim()).toBe('[(4,)]')
  }

  const run = async (language: string, block: string): Promise<void> => {
    if (language === 'yaml') return yaml(block)
    if (language === 'python') return python(block)
    if (language === 'sql') return duckdb(block)
    if (language !== 'bash') throw new Error(`a block that no test knows: \`\`\`${language}`)
    for (const command of shellCommands(block)) await shell(command)
  }

  it('does what it says, block by block', async () => {
    const [picture, ...blocks] = readmeBlocks(readme)
    expect(picture?.text).toContain('Kafka topic')
    for (const { language, text: block } of blocks) await run(language, block)
    const languages = blocks.map((block) => block.language)
    expect(languages.filter((language) => language !== 'bash').sort()).toEqual([
      'python',
      'sql',
      'yaml',
      'yaml',
    ])
  })

  it('does what its prose says', async () => {
    const commands = inlineCommands(readme).filter((command) => !mentions.includes(command))
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) await shell(command)
  })

  const s3 = (): { endpoint: string; accessKeyId: string; secretAccessKey: string } => {
    if (minio === undefined) throw new Error('README.md starts no store')
    const { endpoint, accessKeyId, secretAccessKey } = minio
    return { endpoint, accessKeyId, secretAccessKey }
  }

  const contains =
    (...parts: readonly (string | RegExp)[]) =>
    ({ stdout, stderr }: CommandOutcome): void => {
      for (const part of parts) expect(stdout + stderr).toMatch(part)
    }

  const expected: Readonly<Record<string, (outcome: CommandOutcome) => void | Promise<void>>> = {
    'tide() { npx tide "$@"; }': contains(/^$/),
    'eval "$(npx tide completion bash)"': async () => {
      expect((await session.run('complete -p tide')).stdout).toBe('complete -F _tide tide\n')
    },
    'npx tide completion --help': contains('zsh', 'fish'),
    'npx tide init shop --template kafka-json': contains(
      'shop/tidewater.yaml',
      'shop/streams/events.yaml',
    ),
    'cd shop': contains(/^$/),
    'npx tide topic create events --partitions 4': contains(/events/),
    'npx tide doctor --create-bucket': (outcome) => {
      contains(/ok +bucket: created lake/, /topic events: 4 partitions/)(outcome)
      expect(outcome.stdout).not.toMatch(/^(fail|warn)/m)
    },
    "npx tide topic produce events <<'RECORDS'": ({ stderr }) => {
      expect(stderr).toBe('produced 4 records to events\n')
    },
    'npx tide stream lint': ({ stderr }) => expect(stderr).toMatch(/^2 files checked, no fault$/m),
    'npx tide stream run streams/events.yaml --until latest': ({ stdout, stderr }) => {
      const [titles = '', row = ''] = stdout.split('\n').map((line) => line.trim())
      const cells = row.split(/ {2,}/)
      const cell = (title: string): string | undefined =>
        cells[titles.split(/ {2,}/).indexOf(title)]
      expect([cell('RECORDS'), cell('ROWS'), cell('DEAD-LETTERS')], stdout).toEqual(['4', '3', '1'])
      expect(stderr).toContain('id: long, because most of its values are')
    },
    [`npx tide sql -c 'SELECT "user", id, amount FROM web.events ORDER BY ts'`]: contains(
      /ada .* 1 .*12\.5[\s\S]*alan .* 3 .* 7 [\s\S]*grace .* 9007199254740993 .*0\.1/,
      /^3 rows/m,
    ),
    [`npx tide sql -c 'SELECT "offset", error, decode(value) AS value FROM web.events__dlq'`]:
      contains('expected an integer, found a string: field id', '"four"', /^1 row\b/m),
    [`npx tide sql -c 'SELECT snapshot_id, operation, committed_at FROM web."events$snapshots"'`]:
      contains(/\d{10,} .*append/, /^1 row\b/m),
    'npx tide stream status streams/events.yaml': contains(/^events +web\.events +4 +0 +3 /m),
    'npx tide table files web.events': contains(
      'ts_day=2024-05-01',
      /s3:\/\/lake\/warehouse\/.*parquet/,
    ),
    'kill %1; wait': async () => {
      // npx ends first, the command when it has committed.
      const isGone = (): Promise<void> =>
        expect(fetch(`http://127.0.0.1:${catalogPort}/v1/config`)).rejects.toThrow()
      await vi.waitFor(isGone, patience)
    },
    'npx tide table describe web.events': async ({ stdout }) => {
      const metadataLocation = /s3:\/\/\S+\.metadata\.json/.exec(stdout)?.[0] ?? 'not shown'
      for (const reader of tableReaders) {
        const summary = await tableSummary(reader, { metadataLocation }, { s3: s3(), sums: ['id'] })
        expect(summary).toMatchObject({ count: 4, sums: { id: '9007199254741001' } })
      }
    },
    "cat > models/sources.yml <<'YML'": contains(/^$/),
    "cat > models/daily_revenue.sql <<'SQL'": contains(/^$/),
    'npx tide build': contains(
      /daily_revenue +model +success +1 /,
      /events_per_minute +model +success/,
    ),
    "npx tide sql -c 'SELECT day, revenue, orders FROM models.daily_revenue'": contains(
      /2024-05-01 00:00:00\+00 │ +19\.6 │ +3 │/,
      /^1 row\b/m,
    ),
    [`echo '{"id":4,"ts":"2024-05-01T12:00:00Z","user":"barbara","amount":30}' | npx tide topic produce events`]:
      ({ stderr }) => expect(stderr).toBe('produced 1 records to events\n'),
    'npx tide table rewrite-data-files web.events --option min-input-files=2': async (outcome) => {
      contains(/2/)(outcome)
      const { stdout } = await session.run('npx tide table files web.events')
      expect(stdout.match(/parquet/g)).toHaveLength(1)
    },
    'npx tide table expire-snapshots web.events --older-than 1h --retain-last 5':
      contains(/expired_snapshots +0/),
    [`npx tide sql -c "CALL system.expire_snapshots(table => 'web.events', retain_last => 5)"`]:
      contains(/deleted_data_files_count/, /^1 row\b/m),
    'npx tide stream replay events --to-earliest --into fix --execute': contains(
      /records +5/,
      /rows +4/,
      /dead_letters +1/,
    ),
    'npx tide table diff web.events --branch fix': contains(
      /same +4/,
      /only_base +0/,
      /only_branch +0/,
      /differing +0/,
    ),
    'npx tide table publish web.events --branch fix': contains(/changed +true/),
  }

  /** What a reader sees after a while; the programs before it are still at work. */
  const expectedSoon: typeof expected = {
    'npx tide table health web.events': contains(/^files +(true|false) +2 files/m, /^snapshots /m),
    [`npx tide sql --server http://127.0.0.1:8181 -c 'SELECT "user", id, amount FROM web.events ORDER BY ts'`]:
      contains(/ada [\s\S]*barbara .* 4 .* 30 [\s\S]*alan/, /^4 rows .* and live to events\/0@/m),
    [`npx tide sql --server http://127.0.0.1:8181 -c 'SELECT day, revenue, orders FROM models.daily_revenue'`]:
      contains(/2024-05-01 00:00:00\+00 │ +49\.6 │ +4 │/),
    [`curl --silent http://127.0.0.1:8181/query --data-binary 'SELECT count(*) AS orders, sum(amount) AS revenue FROM web.events'`]:
      contains(/\{"orders":4,"revenue":49\.6\}/),
    [`curl --silent http://127.0.0.1:8181/query --header 'Authorization: Bearer tidewater' --data-binary 'SELECT city, orders, amount FROM shop.revenue_by_city'`]:
      contains(/"city":"Lisbon","orders":\d+/),
  }
})

/** The values of an integer column as pyarrow prints a table, sorted. */
function columnOf(output: string, name: string): readonly string[] {
  const values = new RegExp(`^${name}: (\\[[\\d\\s,[\\]]*\\])$`, 'm').exec(output)?.[1] ?? ''
  return [...values.matchAll(/\d+/g)]
    .map(([digits]) => digits)
    .sort((a, b) => Number(BigInt(a) - BigInt(b)))
}
