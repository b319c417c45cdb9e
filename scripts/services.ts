/**
 * `npx tsx scripts/services.ts start|stop|status`: Kafka on 127.0.0.1:9092 and MinIO on 127.0.0.1:9000
 * (minioadmin/minioadmin) in the background, without Docker, for development and benchmarks. `start`
 * begins with empty services and leaves running ones alone; `stop` ends them and removes their data.
 */
import { rm } from 'node:fs/promises'
import {
  findDetached,
  isPartAtHand,
  type Part,
  startKafka,
  startMinio,
  stopDetached,
} from '../tests/support/services/index.ts'

const kafkaPort = 9092
const minioPort = 9000

interface DevelopmentService {
  readonly part: Part
  readonly address: string
  start(): Promise<unknown>
}

const services: readonly DevelopmentService[] = [
  {
    part: 'kafka',
    address: `127.0.0.1:${kafkaPort}`,
    start: () => startKafka({ port: kafkaPort, heap: '1g', detachedAs: 'kafka' }),
  },
  {
    part: 'minio',
    address: `http://127.0.0.1:${minioPort} (minioadmin/minioadmin)`,
    start: () => startMinio({ port: minioPort, buckets: ['lake'], detachedAs: 'minio' }),
  },
]

async function start(service: DevelopmentService): Promise<boolean> {
  const running = await findDetached(service.part)
  if (running !== undefined) {
    console.log(`${service.part} already runs at ${service.address}, pid ${running.pid}`)
    return true
  }
  if (!isPartAtHand(service.part)) {
    console.error(`${service.part} cannot start: java and mvn (kafka) or go (minio) are missing`)
    return false
  }
  await service.start()
  const started = await findDetached(service.part)
  console.log(`${service.part} runs at ${service.address}, pid ${started?.pid}`)
  return true
}

async function stop(service: DevelopmentService): Promise<boolean> {
  const running = await findDetached(service.part)
  const stopped = await stopDetached(service.part)
  if (running !== undefined) await rm(running.dataFolder, { recursive: true, force: true })
  console.log(`${service.part} ${stopped ? 'stopped' : 'was not running'}`)
  return true
}

async function status(service: DevelopmentService): Promise<boolean> {
  const running = await findDetached(service.part)
  const text =
    running === undefined
      ? 'is not running'
      : `runs at ${service.address}, pid ${running.pid}, log ${running.logFile}`
  console.log(`${service.part} ${text}`)
  return true
}

const commands: Readonly<Record<string, (service: DevelopmentService) => Promise<boolean>>> = {
  start,
  stop,
  status,
}

const command = commands[process.argv[2] ?? '']
if (command === undefined) {
  console.error('usage: npx tsx scripts/services.ts start|stop|status')
  process.exit(2)
}
const results = await Promise.all(services.map(command))
process.exit(results.every(Boolean) ? 0 : 1)
