/**
 * A real Kafka broker (KRaft, one node) without Docker: the jars come from Maven Central once, the
 * broker runs on loopback with everything a test needs turned down to one replica.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import {
  type BackgroundProcess,
  freePort,
  startProcess,
  sweepOrphans,
} from './background-process.ts'
import { runCommand } from './install.ts'
import { installJars } from './jars.ts'
import { runFolder } from './paths.ts'

const kafkaVersion = '3.9.1'
const readyWithinMs = 120_000

/** Beside the plain one, which tools and tests use as a super user. */
export interface KafkaListener {
  readonly port: number
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  /** The address that the broker names to clients; default: the true one. */
  readonly advertised?: string
}

export interface KafkaOptions {
  readonly port?: number
  readonly listeners?: Readonly<Record<string, KafkaListener>>
  /** Broker properties on top of the defaults here. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
  readonly heap?: string
  /** Lives on after this process; see scripts/services.ts. */
  readonly detachedAs?: string
}

export interface KafkaService {
  /** `127.0.0.1:port`, the same after a restart. */
  readonly bootstrap: string
  readonly port: number
  readonly clusterId: string
  readonly pid: number
  readonly dataFolder: string
  readonly logFile: string
  /** SIGKILL; the log stays and `restart` finds it. */
  kill(): Promise<void>
  /** Ends the broker and removes its data. */
  stop(): Promise<void>
  /** Ends the broker if it runs and starts it again on the same port and data. */
  restart(): Promise<void>
}

export async function startKafka(options: KafkaOptions = {}): Promise<KafkaService> {
  await sweepOrphans()
  const classPath = await installKafka()
  const port = options.port ?? (await freePort())
  const name = options.detachedAs ?? `kafka-${port}`
  const dataFolder = join(runFolder, `${name}-data-${randomBytes(4).toString('hex')}`)
  const clusterId = newClusterId()
  const propertiesFile = join(dataFolder, 'server.properties')
  await mkdir(dataFolder, { recursive: true })
  const properties = brokerProperties(port, await freePort(), dataFolder, options)
  await writeFile(propertiesFile, properties)
  await runCommand('java', [
    '-Xmx256m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    classPath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId,
    '-c',
    propertiesFile,
  ])
  const logFile = join(dataFolder, 'kafka.log')
  const start = (): Promise<BackgroundProcess> =>
    startProcess({
      name,
      command: 'java',
      args: [
        `-Xmx${options.heap ?? '512m'}`,
        // A broker that lives for one test file spends most of its life compiling itself otherwise.
        ...(options.detachedAs === undefined
          ? ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
          : []),
        '-Dorg.slf4j.simpleLogger.showDateTime=true',
        '-cp',
        classPath,
        'kafka.Kafka',
        propertiesFile,
      ],
      logFile,
      isReady: () => isBrokerReady(`127.0.0.1:${port}`),
      readyWithinMs,
      dataFolder,
      detached: options.detachedAs !== undefined,
    })
  let broker = await start()
  return {
    bootstrap: `127.0.0.1:${port}`,
    port,
    clusterId,
    dataFolder,
    logFile,
    get pid() {
      return broker.pid
    },
    kill: () => broker.kill(),
    stop: async () => {
      await broker.stop()
      await rm(dataFolder, { recursive: true, force: true })
    },
    restart: async () => {
      await broker.stop()
      broker = await start()
    },
  }
}

/** As Kafka makes them: one that begins with a dash is read as an option by its own tools. */
function newClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}

/** Downloads the jars now (46 MB), so that a later start takes seconds. */
/** The class path of the broker and its tools. */
export function installKafka(): Promise<string> {
  return installJars({
    name: 'kafka',
    version: kafkaVersion,
    artifacts: [`org.apache.kafka:kafka_2.13:${kafkaVersion}`, 'org.slf4j:slf4j-simple:1.7.36'],
  })
}

function brokerProperties(
  port: number,
  controllerPort: number,
  dataFolder: string,
  { config = {}, listeners = {} }: KafkaOptions,
): string {
  const more = Object.entries(listeners)
  const plain = `PLAINTEXT://127.0.0.1:${port}`
  const opened = more.map(([name, each]) => `${name}://127.0.0.1:${each.port}`)
  const named = more.map(
    ([name, each]) => `${name}://${each.advertised ?? `127.0.0.1:${each.port}`}`,
  )
  const protocols = more.map(([name, { protocol }]) => `${name}:${protocol}`)
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [plain, `CONTROLLER://127.0.0.1:${controllerPort}`, ...opened].join(','),
    'advertised.listeners': [plain, ...named].join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': [
      'PLAINTEXT:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...protocols,
    ].join(','),
    'log.dirs': join(dataFolder, 'log'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    // After a kill the controller lets the broker back in only when its old session has ended.
    'broker.heartbeat.interval.ms': 500,
    'broker.session.timeout.ms': 3_000,
    // A missing topic must be an error that a user sees, not a new empty topic.
    'auto.create.topics.enable': false,
    // Tests produce records with timestamps of years ago; retention by time would eat them.
    'log.retention.ms': -1,
    'message.max.bytes': 20_971_520,
    ...config,
  }
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${String(value)}`)
  return `${lines.join('\n')}\n`
}

async function isBrokerReady(bootstrap: string): Promise<boolean> {
  const kafka = new Kafka({
    clientId: 'tidewater-tests-probe',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 5_000,
    retry: { retries: 0 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const cluster = await admin.describeCluster()
    return cluster.brokers.length > 0
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
