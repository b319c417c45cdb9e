/** What `tide init` writes. The default needs nothing but the program; the others name their services. */

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
      interval: 2s
`

const kafkaEnvironment = `# Copy to .env and run: npx tide --env-file .env stream run
KAFKA_BROKERS=127.0.0.1:9092
S3_ENDPOINT=http://127.0.0.1:9000
S3_ACCESS_KEY_ID=minioadmin
S3_SECRET_ACCESS_KEY=minioadmin
# A secret may also lie in a file: S3_SECRET_ACCESS_KEY_FILE=/run/secrets/s3
`

const embeddedEnvironment = `# Copy to .env and run: npx tide --env-file .env stream run
# TIDEWATER_CATALOG__WAREHOUSE=/data/warehouse
`

const ignored = `.env
warehouse/
log/
target/
`

const model = `-- How many records came in each minute. \`tide dev\` runs it every ten seconds; \`tide build\` runs it now.
{{ config(materialized='table', cron='*/10 * * * * *') }}
SELECT date_trunc('minute', _kafka."timestamp") AS minute, count(*) AS events
FROM {{ source('web', 'events') }}
GROUP BY ALL
`

const produceCommand = `echo '{"id": 1, "ts": "2026-01-01T00:00:00Z"}' | npx tide topic produce events --create`

const embeddedReadme = `${readmeHead()}
Everything in one process: the streams, upkeep of tables, models by their cron, the catalog and SQL over
HTTP on 127.0.0.1:8181. \`Ctrl-C\` commits what was read.

\`\`\`sh
npx tide dev
\`\`\`

In another terminal:

\`\`\`sh
${produceCommand}
npx tide sql --server http://127.0.0.1:8181 -c 'SELECT count(*) FROM web.events'
npx tide sql --server http://127.0.0.1:8181 -c 'SELECT * FROM models.events_per_minute'
\`\`\`

Or step by step, without the process:

${readmeSteps(produceCommand)}`

const kafkaReadme = `${readmeHead()}
${readmeSteps(produceCommand)}
\`tide dev\` runs all of it in one process, with models by their cron and SQL over HTTP.
`

function readmeHead(): string {
  return `# A Tidewater project

| file | what |
|---|---|
| \`tidewater.yaml\` | where tables live (warehouse, keys) |
| \`streams/*.yaml\` | one file per stream: topic, schema, table |
| \`models/\` | SQL models in dbt's words: \`tide build\` |
| \`.env.example\` | names of the environment this project reads |
`
}

function readmeSteps(produce: string): string {
  return `\`\`\`sh
npx tide doctor                                        # settings, log and store, each with its fix
npx tide stream lint                                   # every YAML file, with file:line:col
${produce}
npx tide stream run streams/events.yaml --until latest # drain to the end, commit, exit 0
npx tide sql -c 'SELECT count(*) FROM web.events'
npx tide build                                         # the models
npx tide table snapshots web.events
\`\`\`
`
}

export const templates: Readonly<Record<string, Template>> = {
  'kafka-json': {
    'tidewater.yaml': kafkaLake,
    'streams/events.yaml': kafkaStream,
    'models/events_per_minute.sql': model,
    '.env.example': kafkaEnvironment,
    '.gitignore': ignored,
    'README.md': kafkaReadme,
  },
  'embedded-json': {
    'tidewater.yaml': embeddedLake,
    'streams/events.yaml': embeddedStream,
    'models/events_per_minute.sql': model,
    '.env.example': embeddedEnvironment,
    '.gitignore': ignored,
    'README.md': embeddedReadme,
  },
}

export const laterTemplates = ['avro', 'cdc', 'kafka-avro', 'kafka-cdc']
