/** The files of a new project; nothing that exists is ever overwritten. */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AlreadyExistsError, didYouMean, errorMessage } from '../common/index.ts'
import { UsageError } from './failure.ts'

type Template = Readonly<Record<string, string>>

const kafkaLake = `# Where tables live. Every key can also be set by environment, for example
# TIDEWATER_CATALOG__WAREHOUSE; order: flag > environment > this file > default.
catalog:
  warehouse: s3://lake/warehouse
  s3.endpoint: \${S3_ENDPOINT:http://127.0.0.1:9000}
  s3.access-key-id: \${S3_ACCESS_KEY_ID:minioadmin}
  s3.secret-access-key: \${S3_SECRET_ACCESS_KEY:minioadmin}
`

const kafkaStream = `# The topic "events" becomes the table web.events, exactly once.
name: events
input:
  kafka:
    seed_brokers: ["\${KAFKA_BROKERS:127.0.0.1:9092}"]
    topics: [events]
    consumer_group: tide-events
    start_offset: earliest
schema:
  # The first records decide the columns; declare them instead with
  # mode: declared and fields: [{name: id, type: long, required: true}, ...]
  mode: json_infer
output:
  iceberg:
    table: web.events
    # partition_by: [day(ts)]
    commit:
      interval: 10s
`

const embeddedLake = `# Where tables live: a directory beside this file. s3://bucket/prefix works the same.
catalog:
  warehouse: ./warehouse
`

const embeddedStream = `# The topic "events" of a log in a local directory becomes the table web.events: no broker needed.
name: events
input:
  embedded:
    directory: ../log
    topics: [events]
    start_offset: earliest
schema:
  mode: json_infer
output:
  iceberg:
    table: web.events
    commit:
      interval: 10s
`

const kafkaEnvironment = `# Copy to .env and run: tide --env-file .env stream run
KAFKA_BROKERS=127.0.0.1:9092
S3_ENDPOINT=http://127.0.0.1:9000
S3_ACCESS_KEY_ID=minioadmin
S3_SECRET_ACCESS_KEY=minioadmin
# A secret may also lie in a file: S3_SECRET_ACCESS_KEY_FILE=/run/secrets/s3
`

const embeddedEnvironment = `# Copy to .env and run: tide --env-file .env stream run
# TIDEWATER_CATALOG__WAREHOUSE=/data/warehouse
`

const ignored = `.env
warehouse/
log/
target/
`

function readme(produce: string): string {
  return `# A Tidewater project

| file | what |
|---|---|
| \`tidewater.yaml\` | where tables live (warehouse, keys) |
| \`streams/*.yaml\` | one file per stream: topic, schema, table |
| \`models/\` | SQL models in dbt's words: \`tide build\` |
| \`.env.example\` | names of the environment this project reads |

\`\`\`sh
tide doctor                                        # settings, broker and store, each with its fix
tide stream lint                                   # every YAML file, with file:line:col
${produce}
tide stream run streams/events.yaml --until latest # drain to the end, commit, exit 0
tide sql -c 'SELECT count(*) FROM web.events'
tide table snapshots web.events
\`\`\`
`
}

const produceLine = `echo '{"id": 1, "ts": "2026-01-01T00:00:00Z"}' | tide topic produce events`

const templates: Readonly<Record<string, Template>> = {
  'kafka-json': {
    'tidewater.yaml': kafkaLake,
    'streams/events.yaml': kafkaStream,
    'models/.gitkeep': '',
    '.env.example': kafkaEnvironment,
    '.gitignore': ignored,
    'README.md': readme(produceLine),
  },
  'embedded-json': {
    'tidewater.yaml': embeddedLake,
    'streams/events.yaml': embeddedStream,
    'models/.gitkeep': '',
    '.env.example': embeddedEnvironment,
    '.gitignore': ignored,
    'README.md': readme(produceLine),
  },
}

const laterTemplates = ['avro', 'cdc', 'kafka-avro', 'kafka-cdc']

/** Returns the files written. Throws before writing anything when one of them exists. */
export async function initProject(
  base: string,
  directory: string,
  templateName: string,
): Promise<readonly string[]> {
  const template = templates[templateName]
  if (template === undefined) {
    const known = Object.keys(templates)
    const later = laterTemplates.includes(templateName) ? 'is not in this release' : 'is unknown'
    const hint = didYouMean(templateName, known)
    throw new UsageError(`template "${templateName}" ${later}${hint} (${known.join(', ')})`)
  }
  const root = resolve(base, directory)
  const files = Object.keys(template)
  const existing = await existingOf(root, files)
  if (existing.length > 0) {
    throw new AlreadyExistsError(
      `nothing was written, because ${existing.join(', ')} exists in ${directory}: choose an empty directory`,
    )
  }
  for (const [file, text] of Object.entries(template)) {
    const path = join(root, file)
    try {
      await mkdir(dirname(path), { recursive: true })
      // The flag refuses a file that appeared since the check.
      await writeFile(path, text, { flag: 'wx' })
    } catch (error) {
      throw new UsageError(`cannot write ${path}: ${errorMessage(error)}`, { cause: error })
    }
  }
  return files.map((file) => join(directory, file))
}

async function existingOf(root: string, files: readonly string[]): Promise<readonly string[]> {
  const checks = files.map(async (file) => {
    try {
      await access(join(root, file))
      return [file]
    } catch {
      return []
    }
  })
  return (await Promise.all(checks)).flat()
}
