import { describe, expect, it } from 'vitest'
import {
  variableSource,
  formatOrigin,
  formatPath,
  type SettingsInput,
} from '../../settings/index.ts'
import { absoluteLocation, parseLakeSettings } from './lake-settings.ts'

type Given = Partial<SettingsInput> & { readonly environment?: Record<string, string> }

function load(text: string | undefined, { environment = {}, ...given }: Given = {}) {
  return parseLakeSettings({
    text,
    file: text === undefined ? undefined : 'tidewater.yaml',
    variables: variableSource(environment, () => 'from-file\n'),
    overrides: [],
    directory: '/project',
    ...given,
  })
}

function originOf(loaded: ReturnType<typeof load>, path: string): string | undefined {
  const entry = loaded.entries.find((candidate) => formatPath(candidate.path) === path)
  return entry === undefined ? undefined : `${entry.text} <- ${formatOrigin(entry.origin)}`
}

const issueYaml =
  'catalog: { warehouse: "s3://lake/warehouse", s3.endpoint: "http://127.0.0.1:9000", s3.access-key-id: minioadmin, s3.secret-access-key: minioadmin }'

describe('parseLakeSettings()', () => {
  it('reads the yaml of the README', () => {
    expect(load(`# tidewater.yaml\n${issueYaml}\n`).settings.catalog).toEqual({
      warehouse: 's3://lake/warehouse',
      s3: {
        endpoint: 'http://127.0.0.1:9000',
        accessKeyId: 'minioadmin',
        secretAccessKey: 'minioadmin',
        pathStyleAccess: true,
      },
    })
  })

  it('takes flag over env over file over default and keeps the origin', () => {
    const environment = {
      TIDEWATER_CATALOG__WAREHOUSE: 's3://env/w',
      TIDEWATER_CATALOG__S3_ENDPOINT: 'http://env:9000',
      TIDEWATER_SERVER__PORT: '9999',
    }
    const overrides = [{ path: 'catalog.warehouse', value: 's3://flag/w', flag: '--warehouse' }]
    const loaded = load(issueYaml, { environment, overrides })
    expect(loaded.settings.catalog.warehouse).toBe('s3://flag/w')
    expect(loaded.settings.server.port).toBe(9999)
    expect(originOf(loaded, 'catalog.warehouse')).toBe('s3://flag/w <- flag --warehouse')
    expect(originOf(loaded, 'catalog.s3.endpoint')).toBe(
      'http://env:9000 <- env TIDEWATER_CATALOG__S3_ENDPOINT',
    )
    expect(originOf(loaded, 'catalog.s3.access-key-id')).toBe('minioadmin <- tidewater.yaml:1:102')
    expect(originOf(loaded, 'server.host')).toBe('127.0.0.1 <- default')
  })

  it('falls back to the AWS names, below the file', () => {
    const environment = {
      AWS_ACCESS_KEY_ID: 'aws',
      AWS_SECRET_ACCESS_KEY: 'awssecret',
      AWS_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_S3: 'http://aws:1',
    }
    const bare = load('catalog: {warehouse: "s3://b/w"}', { environment }).settings.catalog.s3
    expect(bare).toEqual({
      endpoint: 'http://aws:1',
      region: 'eu-west-1',
      accessKeyId: 'aws',
      secretAccessKey: 'awssecret',
      pathStyleAccess: true,
    })
    const filed = load(issueYaml, { environment }).settings.catalog.s3
    expect(filed.accessKeyId).toBe('minioadmin')
    expect(filed.region).toBe('eu-west-1')
  })

  it('reads a secret from the file that a _FILE variable names', () => {
    const environment = { TIDEWATER_CATALOG__TOKEN_FILE: '/run/secrets/token' }
    const loaded = load('catalog: {uri: "http://c:8181"}', { environment })
    expect(loaded.settings.catalog.token).toBe('from-file')
    expect(originOf(loaded, 'catalog.token')).toBe('*** <- env TIDEWATER_CATALOG__TOKEN')
  })

  it('masks secrets and the credentials inside urls', () => {
    const loaded = load(`catalog: {uri: "http://me:hush@c:8181", token: tok, warehouse: w}`)
    expect(JSON.stringify(loaded.entries)).not.toMatch(/hush|tok"/)
    expect(originOf(loaded, 'catalog.uri')).toContain('http://***@c:8181')
  })

  it('keeps digits and words of a secret as they were written', () => {
    const text = `catalog: {warehouse: "s3://b", s3.access-key-id: 007, s3.secret-access-key: 1e3}`
    const { s3 } = load(text).settings.catalog
    expect([s3.accessKeyId, s3.secretAccessKey]).toEqual(['007', '1e3'])
  })

  it('resolves a relative warehouse against the file, or the directory for flags', () => {
    const filed = load('catalog: {warehouse: lake}', { file: 'conf/tidewater.yaml' })
    expect(filed.settings.catalog.warehouse).toBe('file:///project/conf/lake')
    const overrides = [{ path: 'catalog.warehouse', value: './lake/', flag: '--warehouse' }]
    const flagged = load('', { file: 'conf/tidewater.yaml', overrides })
    expect(flagged.settings.catalog.warehouse).toBe('file:///project/lake')
  })

  it.each([
    ['', 'catalog.warehouse: is required: s3://bucket/prefix or a directory'],
    ['catalog: {warehouse: "hdfs://x"}', '1:22 catalog.warehouse: unknown scheme "hdfs"'],
    ['catalog: {warehouse: "s3://"}', 'no bucket: write s3://bucket/prefix'],
    [
      'catalog: {warehuose: x}',
      '1:11 catalog.warehuose: unknown key "warehuose", did you mean warehouse',
    ],
    ['catalog: {warehouse: w, s3: {endpoint: x}}', 'write the keys of Iceberg in full'],
    ['catalog: {warehouse: w, s3.endpoint: localhost}', 'not a URL: write http://host:port'],
    ['catalog: {warehouse: w, s3.access-key-id: k}', 's3.secret-access-key is missing'],
    ['catalog: {warehouse: w}\nlimits: {memory: 100}', 'a bare number has no unit'],
    ['catalog: {warehouse: w}\ncatalog: {warehouse: v}', '2:1 the key is written twice'],
    ['catalog: [a]', 'catalog: expected keys and values'],
    ['- a', 'expected keys and values (key: value) at the top'],
    ['catalog: {warehouse: "${NOT_SET}"}', '1:22 catalog.warehouse: variable NOT_SET is not set'],
    ['server: {port: 99999}\ncatalog: {warehouse: w}', '1:16 server.port: must be 0 to 65535'],
  ])('refuses %j', (text, message) => {
    expect(() => load(text)).toThrow(message)
  })

  it('refuses an override of a key that does not exist', () => {
    const overrides = [{ path: 'catalog.s3.endpint', value: 'x', flag: '--set' }]
    expect(() => load(issueYaml, { overrides })).toThrow(
      'flag --set unknown key "catalog.s3.endpint", did you mean catalog.s3.endpoint',
    )
  })

  it('absoluteLocation() normalises schemes and paths', () => {
    expect(absoluteLocation('s3a://b/w/', '/p')).toBe('s3://b/w')
    expect(absoluteLocation('memory://x', '/p')).toBe('memory://x')
    expect(absoluteLocation('a b', '/p')).toBe('file:///p/a b')
    expect(absoluteLocation('/', '/p')).toBe('file:///')
  })
})
