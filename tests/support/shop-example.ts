/**
 * docker-compose.yml without Docker: its services `tide`, `orders` and `customers` as processes on this
 * machine, in the very folder that the containers mount, with the commands and the environment that
 * the file gives them. Only addresses differ, and `tide` listens on loopback.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { environment } from '../../common/index.ts'
import { eventually } from './eventually.ts'
import { repositoryRoot } from './services/index.ts'

export const shopFolder = join(repositoryRoot, 'examples', 'shop')
export const shopSellers = ['orders', 'customers'] as const

export interface ShopPlaces {
  /** `host:port` of the broker. */
  readonly bootstrap: string
  /** Of the store, in which the bucket is. */
  readonly endpoint: string
  /** 0 takes a free one. */
  readonly port: number
  /** bin/tide.js as plain Node runs it. */
  readonly entry: string
}

export interface Shop {
  /** Of the server of `tide dev`. */
  readonly uri: string
  readonly token: string
  /** What `tide dev` has said on stderr. */
  readonly log: () => string
  /** The same of those who sell. */
  readonly sellersLog: () => string
  /** A line for the shell, in the folder, with the environment of the sellers. */
  run(command: string): Promise<void>
  stopSelling(): Promise<void>
  /** SIGTERM to `tide dev`, as `docker compose stop` does; resolves to its exit code. */
  stop(): Promise<number | null>
  /** Ends what still runs. */
  close(): Promise<void>
}

interface Service {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export async function startShop(places: ShopPlaces): Promise<Shop> {
  const text = await readFile(join(repositoryRoot, 'docker-compose.yml'), 'utf8')
  const { services } = parse(text, { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>
  }
  const home = await mkdtemp(join(tmpdir(), 'tide-shop-'))
  await mkdir(join(home, 'bin'))
  // As in the image, where it is linked into the path.
  const command = join(home, 'bin', 'tide')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${places.entry}' "$@"\n`)
  await chmod(command, 0o755)
  const path = [join(home, 'bin'), join(process.execPath, '..'), environment('PATH')].join(':')
  const start = (service: string, line: string): ChildProcess =>
    // A group of its own, so that both ends of a pipe end together.
    spawn('sh', ['-c', line], {
      cwd: shopFolder,
      env: { PATH: path, HOME: home, ...environmentOf(services, service, places) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
  const dev = start('tide', `exec tide ${services['tide']?.command.join(' ') ?? ''}`)
  const children = [dev]
  let [output, log, sellersLog] = ['', '', '']
  dev.stdout?.setEncoding('utf8').on('data', (part: string) => (output += part))
  dev.stderr?.setEncoding('utf8').on('data', (part: string) => (log += part))
  const close = async (): Promise<void> => {
    await Promise.all(children.map((child) => end(child, 'SIGKILL')))
    await rm(home, { recursive: true, force: true })
  }
  const uri = await addressOf(dev, () => output).catch(async (error: unknown) => {
    await close()
    throw new Error(`tide dev does not run in ${shopFolder}: ${String(error)}\n${log}`)
  })
  for (const seller of shopSellers) {
    const child = start(seller, services[seller]?.command.join(' ') ?? '')
    child.stdout?.resume()
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (sellersLog += part))
    children.push(child)
  }
  return {
    uri,
    token: services['tide']?.environment['TIDEWATER_SERVER__TOKEN'] ?? '',
    log: () => log,
    sellersLog: () => sellersLog,
    run: async (line) => {
      const child = start(shopSellers[0], line)
      let said = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (part: string) => (said += part))
      }
      const [code] = (await once(child, 'close')) as [number | null]
      if (code !== 0) throw new Error(`${line} ended with ${code}: ${said}`)
    },
    stopSelling: async () => {
      await Promise.all(children.slice(1).map((child) => end(child, 'SIGTERM')))
    },
    stop: () => end(dev, 'SIGTERM'),
    close,
  }
}

/** What compose gives the service, with this machine's addresses in place of its network's. */
function environmentOf(
  services: Readonly<Record<string, Service>>,
  service: string,
  { bootstrap, endpoint, port }: ShopPlaces,
): Readonly<Record<string, string>> {
  const given = { ...services[service]?.environment }
  const own: Readonly<Record<string, readonly [string, string]>> = {
    KAFKA_BROKERS: ['kafka:19092', bootstrap],
    S3_ENDPOINT: ['http://minio:9000', endpoint],
    TIDEWATER_SERVER__HOST: ['0.0.0.0', '127.0.0.1'],
    TIDEWATER_SERVER__PORT: ['8181', String(port)],
  }
  for (const [name, [there, here]] of Object.entries(own)) {
    if (!(name in given)) continue
    if (given[name] !== there) throw new Error(`compose gives ${name}=${given[name]} to ${service}`)
    given[name] = here
  }
  return given
}

function addressOf(child: ChildProcess, output: () => string): Promise<string> {
  return eventually(
    () => {
      const lines = output().split('\n').slice(0, -1)
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
      return lines.find((each) => each.startsWith('http'))
    },
    () => 'it does not listen',
  )
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const closed = once(child, 'close')
    process.kill(-child.pid, signal)
    await closed
  }
  return child.exitCode
}
