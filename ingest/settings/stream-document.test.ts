import { describe, expect, it } from 'vitest'
import {
  variableSource,
  formatOrigin,
  formatPath,
  type SettingsInput,
} from '../../settings/index.ts'
import { parseStreamSettings } from './stream-document.ts'

function load(text: string, given: Partial<SettingsInput> = {}) {
  return parseStreamSettings({
    text,
    file: 'streams/events.yaml',
    variables: variableSource({}),
    overrides: [],
    directory: '/project',
    ...given,
  })
}

const issueYaml = `# streams/events.yaml
name: events
input: { kafka: { seed_brokers: ["127.0.0.1:9092"], topics: [events], consumer_group: tide-events, start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: web.events, partition_by: ["day(ts)"], commit: { interval: 10s, max_records: 1000000 } } }
`
const head = 'name: s\ninput: {kafka: {seed_brokers: ["b:9092"], topics: [t]}}\n'
const tail = 'output: {iceberg: {table: a.b}}\n'

describe('parseStreamSettings()', () => {
  it('reads the yaml of the README with every default', () => {
    expect(load(issueYaml).settings).toEqual({
      name: 'events',
      input: {
        kind: 'kafka',
        seedBrokers: ['127.0.0.1:9092'],
        topics: ['events'],
        consumerGroup: 'tide-events',
        startOffset: { kind: 'earliest' },
        clientId: 'tidewater',
      },
      schema: {
        mode: 'json_infer',
        fields: [],
        optionalFields: [],
        epochColumns: [],
        sampleRecordsMax: 1000,
        sampleWaitMs: 2_000,
        coercion: 'strict',
        unknownFields: 'add',
        ignoredFields: [],
        fieldCase: 'exact',
        tombstones: 'dead_letter',
        columnsMax: 2_000,
        structFieldsMax: 200,
        keyType: 'binary',
        valueType: 'binary',
      },
      metadata: 'struct',
      statesMetadata: false,
      errors: {
        tolerance: 'data',
        deadLetterTable: { namespace: ['web'], name: 'events__dlq' },
      },
      output: {
        table: { namespace: ['web'], name: 'events' },
        partitionBy: [{ text: 'day(ts)', column: 'ts', transform: { kind: 'day' } }],
        statesPartitioning: true,
        properties: {},
        branch: 'main',
        autoCreate: true,
        commitIntervalMs: 10_000,
        commitBytesMax: 512_000_000,
        commitRecordsMax: 1_000_000,
      },
      memoryBytesMax: 512_000_000,
    })
  })

  it('reads declared fields, nested ones too', () => {
    const text = `${head}${tail}schema:
  mode: declared
  fields:
    - {name: id, type: long, required: true, doc: key}
    - {name: price, type: "decimal(9,2)"}
    - name: tags
      type: {type: list, element: string}
`
    const { schema } = load(text).settings
    expect(schema.unknownFields).toBe('dead_letter')
    expect(schema.fields).toEqual([
      { id: 0, name: 'id', type: { type: 'long' }, required: true, doc: 'key' },
      { id: 0, name: 'price', type: { type: 'decimal', precision: 9, scale: 2 }, required: false },
      {
        id: 0,
        name: 'tags',
        type: { type: 'list', elementId: 0, element: { type: 'string' }, elementRequired: false },
        required: false,
      },
    ])
  })

  it('reads fields as a map of names and types, from a flag too', () => {
    const list = `${head}${tail}schema: {fields: [{name: id, type: long, required: true}, {name: at, type: timestamptz, unit: unix_ms}, {name: l, type: "list<int>", doc: d}]}`
    const map = '{id: long not null, at: timestamptz unix_ms, l: {type: [int], doc: d}}'
    const { schema } = load(list).settings
    expect(load(`${head}${tail}schema: {fields: ${map}}`).settings.schema).toEqual(schema)
    expect(schema.epochColumns).toEqual([{ path: ['at'], unit: 'unix_ms' }])
    const overrides = [{ path: 'schema.fields', value: map, flag: '--set' }]
    const variables = variableSource({})
    expect(load(`${head}${tail}`, { variables, overrides }).settings.schema).toEqual(schema)
  })

  it('reads raw keys and values, and lists no key that has no meaning with them', () => {
    const { settings, entries } = load(`${head}${tail}schema: {mode: key_value, key: string}\n`)
    expect(settings.schema).toMatchObject({
      mode: 'key_value',
      keyType: 'string',
      valueType: 'binary',
    })
    const texts = entries
      .filter(({ path }) => path[0] === 'schema')
      .map(({ path, text }) => `${formatPath(path)}=${text}`)
    expect(texts.sort()).toEqual([
      'schema.key=string',
      'schema.mode=key_value',
      'schema.value=binary',
    ])
    const json = load(issueYaml).entries.map(({ path }) => formatPath(path))
    expect(json).toContain('schema.coercion')
    expect(json).not.toContain('schema.key')
  })

  it('maps the Java and librdkafka names, own keys first', () => {
    const text = `name: s
input:
  kafka:
    topics: [t]
    consumer_group: own
    properties:
      bootstrap.servers: a:1, b:2
      group.id: theirs
      auto.offset.reset: latest
      security.protocol: SASL_SSL
      sasl.mechanism: SCRAM-SHA-512
      sasl.jaas.config: org.x.ScramLoginModule required username="u" password="p";
${tail}`
    const loaded = load(text)
    expect(loaded.settings.input).toEqual({
      kind: 'kafka',
      seedBrokers: ['a:1', 'b:2'],
      topics: ['t'],
      consumerGroup: 'own',
      startOffset: { kind: 'latest' },
      clientId: 'tidewater',
      tls: { verifyCertificate: true },
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
    })
    expect(JSON.stringify(loaded.entries)).not.toContain('password=')
  })

  it('takes the one client that is left, which says nothing any more', () => {
    const named = load(head.replace('topics: [t]', 'topics: [t], client: sliced') + tail).settings
    expect(named).toEqual(load(head + tail).settings)
  })

  it('reads the embedded log with a directory beside the file', () => {
    const text = `name: s\ninput: {embedded: {directory: ../log, topics: t, start_offset: "@2026-01-02T03:04:05Z"}}\n${tail}`
    expect(load(text).settings.input).toEqual({
      kind: 'embedded',
      directory: '/project/log',
      topics: ['t'],
      startOffset: { kind: 'timestamp', timestampMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
    })
  })

  it('takes flag over env over file, lists and maps too', () => {
    const variables = variableSource({
      TIDEWATER_INPUT__KAFKA__SEED_BROKERS: 'x:1,y:2',
      TIDEWATER_OUTPUT__ICEBERG__COMMIT__INTERVAL: '1m',
      TIDEWATER_NAME: 'ignored',
    })
    const overrides = [
      { path: 'output.iceberg.commit.interval', value: '2s', flag: '--set' },
      { path: 'output.iceberg.properties.write.format.default', value: 'parquet', flag: '--set' },
      { path: 'output.iceberg.partition_by', value: '[day(ts), bucket(16,id)]', flag: '--set' },
    ]
    const { settings, entries } = load(issueYaml, { variables, overrides })
    expect(settings.name).toBe('events')
    expect(settings.input).toMatchObject({ seedBrokers: ['x:1', 'y:2'] })
    expect(settings.output.commitIntervalMs).toBe(2_000)
    expect(settings.output.properties).toEqual({ 'write.format.default': 'parquet' })
    expect(settings.output.partitionBy).toHaveLength(2)
    const origins = new Map(
      entries.map((entry) => [formatPath(entry.path), formatOrigin(entry.origin)]),
    )
    expect(origins.get('input.kafka.seed_brokers')).toBe('env TIDEWATER_INPUT__KAFKA__SEED_BROKERS')
    expect(origins.get('output.iceberg.commit.interval')).toBe('flag --set')
    expect(origins.get('name')).toBe('streams/events.yaml:2:7')
  })

  it('hides every secret in what it lists', () => {
    const kafka = (more: string) =>
      `name: s\ninput: {kafka: {seed_brokers: "b:1", topics: t, ${more}}}\n${tail}`
    const entries = [
      ...load(kafka('sasl: [{mechanism: PLAIN, username: u, password: hush}]')).entries,
      ...load(kafka('properties: {sasl.mechanism: PLAIN, sasl.username: u, sasl.password: hush}'))
        .entries,
    ]
    const texts = new Map(entries.map((entry) => [formatPath(entry.path), entry.text]))
    expect(texts.get('input.kafka.sasl[0].password')).toBe('***')
    expect(texts.get('input.kafka.properties.sasl.password')).toBe('***')
    expect(JSON.stringify(entries)).not.toContain('hush')
  })

  it('reports every fault at once, in order, each with its place', () => {
    const text = `name: events
input:
  kafka: { seed_brokers: ["b:1"], topic: [events], start_offset: erliest }
schema: { mode: avro }
output: { iceberg: { table: events, commit: { interval: 10, max_recods: 1 } } }
metadta: none
`
    let message = ''
    try {
      load(text)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message.split('\n')).toEqual([
      'streams/events.yaml:3:10 input.kafka.topics: is required',
      expect.stringContaining('3:35 input.kafka.topic: unknown key "topic", did you mean topics'),
      expect.stringContaining('3:66 input.kafka.start_offset: expected earliest, latest or @time'),
      'streams/events.yaml:4:17 schema.mode: "avro" is not in this release (json_infer | declared | key_value)',
      expect.stringContaining('5:29 output.iceberg.table: "events" has no namespace'),
      expect.stringContaining('5:57 output.iceberg.commit.interval: a bare number has no unit'),
      expect.stringContaining('5:61 output.iceberg.commit.max_recods: unknown key "max_recods"'),
      expect.stringContaining('6:1 metadta: unknown key "metadta", did you mean metadata'),
    ])
  })

  it('tells the first fault of yaml that does not parse, and nothing that follows from it', () => {
    const text = `${head}${tail}schema:
  mode: declared
  fields:
    - { name: a, type: fixed[3] }
    - { name: c, type: long }
`
    let message = ''
    try {
      load(text)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toMatch(/^streams\/events.yaml:7:29 not valid yaml: unexpected [^\n]+$/)
    expect(message).toContain('text that holds [ ] { } or a comma needs quotes')
  })

  it.each([
    [`${head}output: {iceberg: {table: a.b, upsert: true}}`, 'upsert is not in this release'],
    [`${head}output: {iceberg: {table: a.b, route: {field: x}}}`, 'route is not in this release'],
    [`${head}${tail}schema: {mode: value_schema_latest}`, 'is not in this release'],
    [`${head}${tail}schema: {mode: declared}`, 'mode declared needs fields'],
    [
      `${head}${tail}schema: {mode: json_infer, fields: [{name: a, type: long}]}`,
      'fields are declared, so mode must be declared',
    ],
    [
      `${head}${tail}schema: {mode: key_value, fields: [{name: a, type: long}]}`,
      'streams/events.yaml:4:35 schema.fields: has no meaning with mode key_value',
    ],
    [
      `${head}${tail}schema: {mode: key_value, coercion: strict}`,
      '4:37 schema.coercion: has no meaning with mode key_value: it belongs to json_infer and declared',
    ],
    [
      `${head}${tail}schema: {mode: key_value, unknown_fields: add}`,
      'schema.unknown_fields: has no',
    ],
    [`${head}${tail}schema: {mode: key_value, sample_records: 5}`, 'schema.sample_records: has no'],
    [
      `${head}${tail}schema: {value: string}`,
      'schema.value: has no meaning with mode json_infer: it belongs to key_value',
    ],
    [
      `${head}${tail}schema: {mode: key_value, key: text}`,
      'expected binary | string, found "text"',
    ],
    [
      `${head}${tail}schema: {fields: [{name: a, type: long}, {name: A, type: long}]}`,
      '"A" is declared twice (as "a")',
    ],
    [
      `${head}${tail}schema: {fields: {a: lonk}}`,
      '4:22 schema.fields.a.type: not a type: "lonk": unknown type "lonk"',
    ],
    [
      `${head}${tail}schema: {fields: {a: long, A: long}}`,
      '4:31 schema.fields.A.name: "A" is declared twice (as "a")',
    ],
    [
      `${head}${tail}schema: {fields: {a: {type: long, requierd: true}}}`,
      '4:35 schema.fields.a.requierd: unknown key "requierd", did you mean required (known here',
    ],
    [
      `${head}${tail}schema: {fields: {a: long unix_s}}`,
      '4:22 schema.fields.a.unit: a unit belongs',
    ],
    [
      `${head}${tail}schema: {fields: [{name: a, typ: long}]}`,
      'schema.fields[0].typ: unknown key "typ", did you mean type (known here: name, type, required, doc, unit)',
    ],
    [
      `${head}${tail}schema: {fields: long}`,
      'expected a list of {name, type}, or a map {name: type}',
    ],
    [`${head}${tail}errors: {dlq: {table: a.b}}`, 'is the table of the stream itself'],
    [`${head}${tail}limits: {memory: 1KB}`, 'limits.memory: at least 32MB'],
    [
      `name: a b\ninput: {kafka: {seed_brokers: ["b:1"], topics: [t]}}\n${tail}`,
      '1:7 name: letters',
    ],
    [`name: s\ninput: {}\n${tail}`, 'exactly one of kafka, embedded is needed'],
    [`name: s\ninput: {kafka: {topics: [t]}}\n${tail}`, 'seed_brokers is required'],
    [
      `name: s\ninput: {kafka: {seed_brokers: [broker], topics: [t]}}\n${tail}`,
      'input.kafka.seed_brokers[0]: not host:port: "broker"',
    ],
    [
      `name: s\ninput: {kafka: {seed_brokers: ["b:1"], topics: ["a b", t, t]}}\n${tail}`,
      'not a topic name: "a b"',
    ],
    [
      `name: s\ninput: {kafka: {seed_brokers: ["b:1"], topics: [t], properties: {auto.ofset.reset: earliest}}}\n${tail}`,
      'has no effect here, did you mean auto.offset.reset',
    ],
    [
      `name: s\ninput: {kafka: {seed_brokers: ["b:1"], topics: [t], properties: {isolation.level: read_uncommitted}}}\n${tail}`,
      'is always read_committed',
    ],
    [`name: s\ninput: {http_server: {}}\n${tail}`, 'input.http_server is not in this release'],
    [
      `name: s\ninput: {kafka: {seed_brokers: ["b:1"], topics: [t], client: kafkajs}}\n${tail}`,
      '2:61 input.kafka.client: the choice of a client was removed',
    ],
    [`${head}${tail}limits: {memory: \${MEMORY}}`, 'write "${VAR}" with quotes'],
  ])('refuses %j', (text, message) => {
    expect(() => load(text)).toThrow(message)
  })
})
