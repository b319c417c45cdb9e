/**
 * What a real broker says no to is said as what it was: address, TLS, SASL, rights, assignor, size, name. Each error
 * ends the command with 1 and names what to do; `advertised.listeners` stands only where it is the cause (D, K16).
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  AssignerProtocol,
  type Consumer,
  ResourcePatternTypes,
} from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectKafkaTools, type KafkaTools } from '../../support/kafka-tools.ts'
import {
  freePort,
  requirePart,
  runCommand,
  startKafka,
  type KafkaService,
} from '../../support/services/index.ts'
import { tide as runTide, type TideOutcome } from '../../support/tide.ts'

const hasKafka = requirePart('kafka')

const listeners = ['SASLP', 'SASLS', 'TLS', 'EXPIRED', 'WRONGNAME', 'LOST'] as const
type Listener = (typeof listeners)[number]

let kafka: KafkaService
let tools: KafkaTools
let directory: string
let intruder: Consumer
let silent: Server
const ports = new Map<Listener | 'CLOSED' | 'SILENT', number>()

const portOf = (name: Listener | 'CLOSED' | 'SILENT'): string => `127.0.0.1:${ports.get(name) ?? 0}`

/** A keystore with a certificate of its own, and that certificate as PEM. */
async function makeStore(name: string, san: string, ...validity: string[]): Promise<void> {
  const store = [
    '-keystore',
    join(directory, `${name}.p12`),
    '-storepass',
    'changeit',
    '-alias',
    'k',
  ]
  const key = ['-keyalg', 'EC', '-dname', `CN=${name}`, '-ext', `SAN=${san}`]
  await runCommand('keytool', [
    '-genkeypair',
    '-storetype',
    'PKCS12',
    ...key,
    ...validity,
    ...store,
  ])
  await runCommand('keytool', [
    '-exportcert',
    '-rfc',
    '-file',
    join(directory, `${name}.pem`),
    ...store,
  ])
}

const storeConfig = (listener: Listener, store: string): Record<string, string> => ({
  [`listener.name.${listener.toLowerCase()}.ssl.keystore.location`]: join(
    directory,
    `${store}.p12`,
  ),
  [`listener.name.${listener.toLowerCase()}.ssl.keystore.password`]: 'changeit',
  [`listener.name.${listener.toLowerCase()}.ssl.keystore.type`]: 'PKCS12',
})

const users = `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="right" user_admin="right";`

async function allow(
  resourceType: AclResourceTypes,
  resourceName: string,
  ...operations: AclOperationTypes[]
): Promise<void> {
  const admin = tools.kafka.admin()
  await admin.connect()
  await admin.createAcls({
    acl: operations.map((operation) => ({
      resourceType,
      resourceName,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: 'User:alice',
      host: '*',
      operation,
      permissionType: AclPermissionTypes.ALLOW,
    })),
  })
  await admin.disconnect()
}

describe.skipIf(!hasKafka)('what a broker refuses', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tide-wild-errors-'))
    await mkdir(join(directory, 'streams'))
    await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: ./lake }\n')
    await makeStore('good', 'ip:127.0.0.1')
    await makeStore('expired', 'ip:127.0.0.1', '-startdate', '-30d', '-validity', '1')
    await makeStore('wrongname', 'dns:broker.example')
    for (const name of [...listeners, 'CLOSED', 'SILENT'] as const)
      ports.set(name, await freePort())
    const listen = (
      name: Listener,
      protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL',
    ) => ({
      port: ports.get(name) ?? 0,
      protocol,
    })
    kafka = await startKafka({
      listeners: {
        SASLP: listen('SASLP', 'SASL_PLAINTEXT'),
        SASLS: listen('SASLS', 'SASL_SSL'),
        TLS: listen('TLS', 'SSL'),
        EXPIRED: listen('EXPIRED', 'SSL'),
        WRONGNAME: listen('WRONGNAME', 'SSL'),
        LOST: { ...listen('LOST', 'PLAINTEXT'), advertised: 'broker.invalid:9092' },
      },
      config: {
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.saslp.plain.sasl.jaas.config': users,
        'listener.name.sasls.plain.sasl.jaas.config': users,
        ...storeConfig('SASLS', 'good'),
        ...storeConfig('TLS', 'good'),
        ...storeConfig('EXPIRED', 'expired'),
        ...storeConfig('WRONGNAME', 'wrongname'),
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:admin',
        'message.max.bytes': 100_000,
      },
    })
    tools = await connectKafkaTools(kafka.bootstrap)
    for (const topic of ['open', 'closed', 'described', 'taken']) {
      await tools.createTopic(topic, { partitions: 1 })
      await tools.produce(topic, [{ value: '{"id":1}' }])
    }
    const { DESCRIBE, READ } = AclOperationTypes
    await allow(AclResourceTypes.TOPIC, 'open', READ, DESCRIBE)
    await allow(AclResourceTypes.TOPIC, 'described', DESCRIBE)
    // Another member of the group, whose assignor we do not have.
    intruder = tools.kafka.consumer({
      groupId: 'taken',
      partitionAssigners: [
        () => ({
          name: 'sticky-like',
          version: 1,
          assign: () => Promise.resolve([]),
          protocol: () => ({
            name: 'sticky-like',
            metadata: AssignerProtocol.MemberMetadata.encode({
              version: 1,
              topics: ['taken'],
              userData: Buffer.alloc(0),
            }),
          }),
        }),
      ],
    })
    await intruder.connect()
    await intruder.subscribe({ topics: ['taken'] })
    const joined = new Promise((resolve) => intruder.on(intruder.events.GROUP_JOIN, resolve))
    await intruder.run({ eachMessage: () => Promise.resolve() })
    await joined
    silent = createServer(() => undefined).listen(ports.get('SILENT'), '127.0.0.1')
  })
  afterAll(async () => {
    await intruder?.disconnect()
    await tools?.close()
    silent?.close()
    await kafka?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  interface Case {
    readonly what: string
    readonly broker?: () => string
    readonly topic?: string
    readonly more?: string
    readonly command?: string
    readonly input?: string
    readonly said: readonly string[]
  }
  const tls = (store: string): string => `tls: { root_cas_file: ../${store}.pem }`
  const sasl = (password = 'right', mechanism = 'PLAIN'): string =>
    `sasl: [{ mechanism: ${mechanism}, username: alice, password: ${password} }]`

  const run = async (one: Case): Promise<TideOutcome> => {
    const { broker = () => kafka.bootstrap, topic = 'open', more = '' } = one
    const extra = more === '' ? '' : `, ${more}`
    const yaml = `name: s
input: { kafka: { seed_brokers: ["${broker()}"], topics: ["${topic}"]${extra} } }
schema: { fields: [{ name: id, type: long }] }
output: { iceberg: { table: web.s } }
`
    await writeFile(join(directory, 'streams/s.yaml'), yaml)
    const command = one.command ?? 'stream run streams/s.yaml --until latest'
    return runTide(command, { directory, ...(one.input === undefined ? {} : { input: one.input }) })
  }

  const cases: readonly Case[] = [
    {
      what: 'a host that does not exist',
      broker: () => 'nowhere.invalid:9092',
      said: ['the host of nowhere.invalid:9092 is not known', 'DNS'],
    },
    {
      what: 'a port where nobody listens',
      broker: () => portOf('CLOSED'),
      said: ['no process listens at', 'connection refused'],
    },
    {
      what: 'a peer that never answers',
      broker: () => portOf('SILENT'),
      more: 'properties: { request.timeout.ms: "500" }',
      said: ['takes connections, but does not answer'],
    },
    {
      what: 'a listener that names an address nobody can reach',
      broker: () => portOf('LOST'),
      said: ['a seed broker answers, but names broker.invalid:9092', 'advertised.listeners'],
    },
    {
      what: 'the same, in a group',
      broker: () => portOf('LOST'),
      more: 'consumer_group: g',
      said: ['advertised.listeners'],
    },
    {
      what: 'the same, to produce',
      broker: () => portOf('LOST'),
      command: 'topic produce open --stream streams/s.yaml',
      input: 'x',
      said: ['advertised.listeners'],
    },
    {
      what: 'no TLS on a TLS port',
      broker: () => portOf('TLS'),
      said: ['speaks TLS', 'set tls.enabled: true'],
    },
    {
      what: 'no TLS on a SASL_SSL port',
      broker: () => portOf('SASLS'),
      more: sasl(),
      said: ['speaks TLS', 'set tls.enabled: true'],
    },
    {
      what: 'TLS on a plain port',
      more: 'tls: {}',
      said: ['ended the TLS handshake', 'leave tls out'],
    },
    {
      what: 'a certificate that nobody we know signed',
      broker: () => portOf('TLS'),
      more: 'tls: {}',
      said: ['root_cas_file'],
    },
    {
      what: 'an expired certificate',
      broker: () => portOf('EXPIRED'),
      more: tls('expired'),
      said: ['certificate has expired'],
    },
    {
      what: 'a certificate of another name',
      broker: () => portOf('WRONGNAME'),
      more: tls('wrongname'),
      said: ['for another host name', "not in the cert's list"],
    },
    {
      what: 'a wrong password',
      broker: () => portOf('SASLP'),
      more: sasl('wrong'),
      said: ['kafka refuses user alice', 'password of input.kafka.sasl'],
    },
    {
      what: 'a wrong password over TLS',
      broker: () => portOf('SASLS'),
      more: `${tls('good')}, ${sasl('wrong')}`,
      said: ['kafka refuses user alice', 'password of input.kafka.sasl'],
    },
    {
      what: 'a wrong password to list topics',
      broker: () => portOf('SASLP'),
      more: sasl('wrong'),
      command: 'topic ls --stream streams/s.yaml',
      said: ['kafka refuses user alice', 'password of input.kafka.sasl'],
    },
    {
      what: 'a wrong password to produce',
      broker: () => portOf('SASLP'),
      more: sasl('wrong'),
      command: 'topic produce open --stream streams/s.yaml',
      input: 'x',
      said: ['kafka refuses user alice', 'password of input.kafka.sasl'],
    },
    {
      what: 'a mechanism that is not enabled',
      broker: () => portOf('SASLP'),
      more: sasl('right', 'SCRAM-SHA-256'),
      said: ['does not have the sasl mechanism SCRAM-SHA-256'],
    },
    {
      what: 'no SASL on a SASL port',
      broker: () => portOf('SASLP'),
      said: ['closed the connection', 'a port that wants tls or sasl'],
    },
    {
      what: 'no SASL on a SASL port to list topics',
      broker: () => portOf('SASLP'),
      command: 'topic ls --stream streams/s.yaml',
      said: ['closed the connection', 'a port that wants tls or sasl'],
    },
    { what: 'SASL on a port without', more: sasl(), said: ['this port of the broker has no sasl'] },
    {
      what: 'no right to see a topic',
      broker: () => portOf('SASLP'),
      topic: 'closed',
      more: sasl(),
      said: ['kafka does not allow User:alice to DESCRIBE topic closed'],
    },
    {
      what: 'no right to read a topic',
      broker: () => portOf('SASLP'),
      topic: 'described',
      more: sasl(),
      said: ['kafka does not allow User:alice to READ topic described'],
    },
    {
      what: 'no right to join a group',
      broker: () => portOf('SASLP'),
      more: `${sasl()}, consumer_group: mine`,
      said: ['kafka does not allow User:alice to READ group mine', '--group mine'],
    },
    {
      what: 'no right to write',
      broker: () => portOf('SASLP'),
      more: sasl(),
      command: 'topic produce open --stream streams/s.yaml',
      input: 'x',
      said: ['kafka does not allow User:alice to WRITE'],
    },
    {
      what: 'no right to create a topic',
      broker: () => portOf('SASLP'),
      more: sasl(),
      command: 'topic create fresh --stream streams/s.yaml',
      said: ['kafka does not allow User:alice to CREATE topic fresh'],
    },
    {
      what: 'a group in use with another assignor',
      topic: 'taken',
      more: 'consumer_group: taken',
      said: [
        'consumer group taken is in use with the partition assignor sticky-like',
        'ours is TidewaterAssigner',
        'consumer_group',
      ],
    },
    { what: 'a topic that is not there', topic: 'missing', said: ['missing'] },
    {
      what: 'a topic that is not there, to produce',
      command: 'topic produce missing --stream streams/s.yaml',
      input: 'x',
      said: ['missing'],
    },
    {
      what: 'a topic that is there already',
      command: 'topic create open --stream streams/s.yaml',
      said: ['exists'],
    },
    {
      what: 'a name that no topic may have',
      command: 'topic create a:b --stream streams/s.yaml',
      said: ['topic names are'],
    },
    {
      what: 'a record too large',
      command: 'topic produce open --stream streams/s.yaml',
      input: 'x'.repeat(200_000),
      said: [
        'a record is larger than the topic takes',
        'max.message.bytes',
        'bytes=200040 limit=100000',
      ],
    },
  ]

  it('K16 many small records pass a small max.message.bytes', async () => {
    const lines = Array.from({ length: 3_000 }, (_, id) =>
      JSON.stringify({ id, pad: 'x'.repeat(90) }),
    )
    const input = `${lines.join('\n')}\n`
    const outcome = await run({
      what: '',
      command: 'topic produce open --stream streams/s.yaml',
      input,
      said: [],
    })
    expect(outcome).toMatchObject({ code: 0, stderr: 'produced 3000 records to open\n' })
  })

  it('K16 what was written before a record too large is told', async () => {
    const lines = [...Array.from({ length: 2_000 }, () => 'y'.repeat(100)), 'x'.repeat(200_000)]
    const { code, stderr } = await run({
      what: '',
      command: 'topic produce open --stream streams/s.yaml',
      input: lines.join('\n'),
      said: [],
    })
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('2000 of 2001 records were written, then'),
    ])
  })

  it.each(cases)('D K16 $what', async (one) => {
    const { code, stderr } = await run(one)
    for (const part of one.said) expect(stderr).toContain(part)
    // Blamed only where it is to blame.
    const isAdvertised = one.said.includes('advertised.listeners')
    expect(stderr.includes('advertised.listeners')).toBe(isAdvertised)
    expect(stderr).not.toMatch(/fault of tidewater|broker does not answer/)
    expect(code).toBe(1)
  })
})
