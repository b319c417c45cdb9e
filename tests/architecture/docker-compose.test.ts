/**
 * Docker cannot run where these tests run, so docker-compose.yml and the Dockerfile are held to their
 * rules by reading them; the same steps run on natively started services in the integration tests.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadStreamSettings, parseLakeSettings } from '../../app/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import { checkGuard } from '../../server/guard.ts'
import { repositoryRoot } from '../support/services/paths.ts'

interface ComposeService {
  readonly image?: string
  readonly build?: string
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly volumes?: readonly string[]
  readonly restart?: string
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose = parse(text('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
/** Services that produce what the example's streams read. */
const sellers = ['orders', 'customers']
const dockerfile = text('Dockerfile')

/** A tag that names one release: digits with dots, or MinIO's time stamps. */
const pinnedTag = /:(?:\d+\.\d+\.\d+[\w.-]*|RELEASE\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)$/

describe('docker-compose.yml', () => {
  it('has the broker, the store, the bucket, tide, and who fills the topics of the example', () => {
    expect(services.map(([name]) => name)).toEqual([
      'kafka',
      'minio',
      'minio-bucket',
      'tide',
      ...sellers,
    ])
  })

  it('pins every image to one release', () => {
    for (const [name, service] of services) expect(service.image, name).toMatch(pinnedTag)
    expect('x:latest').not.toMatch(pinnedTag)
    expect('x:20-slim').not.toMatch(pinnedTag)
  })

  it('runs the Kafka that the integration tests run', () => {
    const native = /kafkaVersion = '([^']+)'/.exec(text('tests/support/services/kafka.ts'))?.[1]
    expect(compose.services['kafka']?.image).toBe(`apache/kafka:${native}`)
  })

  it('publishes every port on loopback only', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? [])
    expect(ports.length).toBeGreaterThan(2)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  it('checks the health of everything that stays up', () => {
    const staying = services.filter(([, service]) => service.restart !== 'no')
    expect(staying.map(([name]) => name)).toEqual(['kafka', 'minio', 'tide', ...sellers])
    for (const [name, { healthcheck }] of staying) {
      // Who only writes into a pipe has no port to ask, and must not take over the image's.
      if (sellers.includes(name)) expect(healthcheck, name).toEqual({ disable: true })
      else expect(healthcheck?.test?.[0], name).toBe('CMD')
    }
  })

  it('waits for health, or for the end of what ends', () => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const ends = compose.services[other]?.restart === 'no'
        const expected = ends ? 'service_completed_successfully' : 'service_healthy'
        expect(condition, `${name} on ${other}`).toBe(expected)
      }
    }
    expect(Object.keys(compose.services['tide']?.depends_on ?? {})).toHaveLength(3)
  })

  it('gives Kafka one listener for the host and one for containers', () => {
    const environment = compose.services['kafka']?.environment ?? {}
    const listeners = listenerMap(environment['KAFKA_LISTENERS'])
    const advertised = listenerMap(environment['KAFKA_ADVERTISED_LISTENERS'])
    const protocols = String(environment['KAFKA_LISTENER_SECURITY_PROTOCOL_MAP']).split(',')
    expect(Object.keys(listeners)).toEqual(['HOST', 'INTERNAL', 'CONTROLLER'])
    expect(protocols.map((each) => each.split(':')[0])).toEqual(Object.keys(listeners))
    expect(advertised).toEqual({ HOST: '127.0.0.1:9092', INTERNAL: 'kafka:19092' })
    for (const [name, address] of Object.entries(advertised)) {
      expect(listeners[name]?.split(':')[1], name).toBe(address.split(':')[1])
    }
    expect(compose.services['kafka']?.ports).toEqual(['127.0.0.1:9092:9092'])
    expect(environment['KAFKA_INTER_BROKER_LISTENER_NAME']).toBe('INTERNAL')
    expect(environment['KAFKA_CONTROLLER_QUORUM_VOTERS']).toBe(
      `1@kafka:${listeners['CONTROLLER']?.split(':')[1]}`,
    )
  })

  it('declares the volumes that it mounts', () => {
    const mounted = services
      .flatMap(([, service]) => service.volumes ?? [])
      .map((volume) => volume.split(':')[0] ?? '')
      .filter((name) => !name.startsWith('./'))
    expect(mounted.sort()).toEqual(Object.keys(compose.volumes).sort())
  })

  const variablesOf = (service: string): ReturnType<typeof variableSource> => {
    return variableSource(textOf(compose.services[service]?.environment ?? {}))
  }

  it('runs the example, read-only, where the containers find broker and store', async () => {
    const { tide } = compose.services
    expect(tide?.command).toEqual(['dev'])
    for (const name of ['tide', ...sellers]) {
      expect(compose.services[name]?.volumes, name).toEqual(['./examples/shop:/lake:ro'])
    }
    expect(dockerfile).toMatch(/^WORKDIR \/lake$/m)
    for (const topic of sellers) {
      const file = join(repositoryRoot, 'examples', 'shop', 'streams', `${topic}.yaml`)
      for (const [environment, broker] of [
        [compose.services[topic]?.environment ?? {}, 'kafka:19092'],
        [{}, '127.0.0.1:9092'],
      ] as const) {
        const sources = {
          environment: textOf(environment),
          overrides: [],
          directory: repositoryRoot,
        }
        const { settings } = await loadStreamSettings(file, sources)
        expect(settings.input).toMatchObject({ seedBrokers: [broker], topics: [topic] })
      }
      const [command = ''] = compose.services[topic]?.command ?? []
      expect(command).toMatch(
        new RegExp(`^node sales\\.mjs ${topic} .* tide topic produce ${topic} `),
      )
    }
    expect(dockerfile).toContain('ln -s /tidewater/bin/tide.mjs /usr/local/bin/tide')
  })

  it('gives tide settings that tide understands', () => {
    const { settings } = parseLakeSettings({
      text: text('examples/shop/tidewater.yaml'),
      file: 'examples/shop/tidewater.yaml',
      variables: variablesOf('tide'),
      overrides: [],
      directory: repositoryRoot,
    })
    const [accessKey, secret, host] = String(
      compose.services['minio-bucket']?.environment?.['MC_HOST_lake'],
    )
      .replace('http://', '')
      .split(/[:@](?!9000)/)
    expect(settings.catalog).toMatchObject({
      warehouse: 's3://lake/warehouse',
      s3: {
        endpoint: `http://${host}`,
        accessKeyId: accessKey,
        secretAccessKey: secret,
        pathStyleAccess: true,
      },
    })
    const root = compose.services['minio']?.environment
    expect([accessKey, secret]).toEqual([root?.['MINIO_ROOT_USER'], root?.['MINIO_ROOT_PASSWORD']])
    const { host: listenHost, port, token } = settings.server
    expect({ listenHost, port, token }).toEqual({
      listenHost: '0.0.0.0',
      port: 8181,
      token: 'tidewater',
    })
    expect(() => checkGuard(settings.server, undefined)).not.toThrow()
    // In a container there are no namespaces to take, and beyond loopback queries need them or this.
    expect(settings.query.sandbox).toBe('process')
  })
})

describe('Dockerfile', () => {
  it('pins its base, installs from the lock and does not run as root', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1])
    expect(bases).toHaveLength(2)
    for (const base of bases) expect(base).toMatch(pinnedTag)
    expect(dockerfile).toMatch(/^RUN npm ci /m)
    expect(dockerfile).toMatch(/^USER node$/m)
  })

  it('starts the file that the package names as its command', () => {
    const manifest = JSON.parse(text('package.json')) as { readonly bin: { readonly tide: string } }
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "/tidewater/${manifest.bin.tide}"]`)
  })

  it('keeps secrets, history and installed packages out of the image', () => {
    const ignored = text('.dockerignore').trim().split('\n')
    expect(ignored).toEqual(expect.arrayContaining(['.env', '.git', 'node_modules', '.cache']))
  })
})

function textOf(environment: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)]))
}

function text(name: string): string {
  return readFileSync(join(repositoryRoot, name), 'utf8')
}

/** `NAME://host:port,...` as name to `host:port`. */
function listenerMap(value: string | number | undefined): Readonly<Record<string, string>> {
  const pairs = String(value)
    .split(',')
    .map((each) => each.split('://'))
  return Object.fromEntries(pairs.map(([name = '', address = '']) => [name, address]))
}
