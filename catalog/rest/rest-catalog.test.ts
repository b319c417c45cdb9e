import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  AccessDeniedError,
  AlreadyExistsError,
  CommitFailedError,
  CommitStateUnknownError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  parseJson,
  stringifyJson,
} from '../../common/index.ts'
import type { TableRequirement } from '../table/requirement.ts'
import type { TableUpdate } from '../table/update.ts'
import { requirementFromJson, requirementToJson } from './requirement-json.ts'
import { RestCatalog } from './rest-catalog.ts'
import { updateFromJson, updateToJson } from './update-json.ts'

const orders = { namespace: ['shop', 'eu'], name: 'orders' }
const commit = { identifier: orders, requirements: [], updates: [] }

interface Sent {
  readonly url: string
  readonly method: string
  readonly headers: Headers
}

/** A server that answers `/v1/config` and then everything as told. */
function answering(answer: () => Response | Promise<Response>, config: object = {}) {
  const sent: Sent[] = []
  const fake: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    sent.push({ url, method: init?.method ?? 'GET', headers: new Headers(init?.headers) })
    return url.includes('/v1/config') ? Response.json(config) : answer()
  }
  return { fake, sent }
}

const failing =
  (status: number, body = '') =>
  () =>
    new Response(body, { status })
const catalogOf = (fake: typeof fetch): RestCatalog =>
  new RestCatalog({ uri: 'http://catalog.test/', fetch: fake })

describe('RestCatalog errors', () => {
  const cases = [
    [400, ValidationError, ValidationError],
    [401, AccessDeniedError, AccessDeniedError],
    [403, AccessDeniedError, AccessDeniedError],
    [404, NotFoundError, NotFoundError],
    [406, UnsupportedError, UnsupportedError],
    [409, CommitFailedError, AlreadyExistsError],
    [429, UnavailableError, UnavailableError],
    [500, CommitStateUnknownError, UnavailableError],
    [502, CommitStateUnknownError, UnavailableError],
    [503, UnavailableError, UnavailableError],
    [504, CommitStateUnknownError, UnavailableError],
    [302, UnsupportedError, UnsupportedError],
  ] as const
  for (const [status, onCommit, onLoad] of cases) {
    test(`status ${status} means ${onCommit.name} for a commit and ${onLoad.name} for a load`, async () => {
      const catalog = catalogOf(answering(failing(status, '<html>gateway</html>')).fake)
      await expect(catalog.commitTable(commit)).rejects.toThrow(onCommit)
      await expect(catalog.loadTable(orders)).rejects.toThrow(onLoad)
    })
  }

  test('the message and the type of the server are kept', async () => {
    const body = '{"error":{"message":"no such thing","type":"NoSuchTableException","code":404}}'
    const catalog = catalogOf(answering(failing(404, body)).fake)
    await expect(catalog.loadTable(orders)).rejects.toThrow(
      /^no such thing: .*status=404 type=NoSuchTableException$/,
    )
  })

  test('a lost or cut answer to a commit is an unknown outcome, to a load it is not', async () => {
    const answers = [
      () => Promise.reject(new TypeError('fetch failed')),
      () => new Response('{"metadata":', { status: 200 }),
    ]
    for (const answer of answers) {
      const catalog = catalogOf(answering(answer).fake)
      await expect(catalog.commitTable(commit)).rejects.toThrow(CommitStateUnknownError)
      await expect(catalog.loadTable(orders)).rejects.toThrow(UnavailableError)
    }
  })

  test('a write that was answered with what is no table is an unknown outcome', async () => {
    const schema = { schemaId: 0, identifierFieldIds: [], fields: [] }
    const answers = [
      () => new Response(null, { status: 204 }),
      () => new Response('', { status: 200 }),
      () => Response.json({}),
      () => Response.json({ metadata: {} }),
      () => Response.json({ 'metadata-location': 's3://a/b', metadata: { 'format-version': 9 } }),
    ]
    for (const answer of answers) {
      const catalog = catalogOf(answering(answer).fake)
      const writes = [
        catalog.commitTable(commit),
        catalog.createTable({ identifier: orders, schema }),
        catalog.registerTable(orders, 's3://a/b'),
      ]
      for (const write of writes) {
        await expect(write).rejects.toThrow(CommitStateUnknownError)
      }
      await expect(catalog.loadTable(orders)).rejects.not.toThrow(CommitStateUnknownError)
    }
  })

  test('a refused connection means that nothing was sent', async () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    const answer = () => Promise.reject(new TypeError('fetch failed', { cause: refused }))
    const catalog = catalogOf(answering(answer).fake)
    await expect(catalog.commitTable(commit)).rejects.toThrow(UnavailableError)
  })

  test('a server that was down when asked for its config is asked again', async () => {
    let isDown = true
    const { fake } = answering(() => Response.json({ namespaces: [['a']] }))
    const catalog = catalogOf((input, init) =>
      isDown ? Promise.reject(new TypeError('down')) : fake(input, init),
    )
    await expect(catalog.listNamespaces()).rejects.toThrow(UnavailableError)
    isDown = false
    expect(await catalog.listNamespaces()).toEqual([['a']])
  })
})

describe('RestCatalog requests', () => {
  test('the prefix of the config, %1F and escapes make up the path', async () => {
    const { fake, sent } = answering(failing(404), { overrides: { prefix: 'ws/äb' } })
    const catalog = new RestCatalog({
      uri: 'http://catalog.test/api/v1',
      fetch: fake,
      token: 'secret',
      warehouse: 's3://lake',
    })
    const identifier = { namespace: ['a b', 'c.d'], name: 'x/y%' }
    await expect(catalog.loadTable(identifier)).rejects.toThrow(NotFoundError)
    expect(sent.map((one) => one.url)).toEqual([
      'http://catalog.test/api/v1/config?warehouse=s3%3A%2F%2Flake',
      'http://catalog.test/api/v1/ws/%C3%A4b/namespaces/a%20b%1Fc.d/tables/x%2Fy%25?snapshots=all',
    ])
    expect(sent.every((one) => one.headers.get('authorization') === 'Bearer secret')).toBe(true)
  })

  test('another origin in the config is refused before a token goes there', async () => {
    for (const group of ['overrides', 'defaults']) {
      const { fake, sent } = answering(failing(404), { [group]: { uri: 'http://evil.test' } })
      await expect(catalogOf(fake).listNamespaces()).rejects.toThrow(UnsupportedError)
      expect(sent).toHaveLength(1)
    }
  })

  test('names that a url resolves away are refused', async () => {
    const { fake, sent } = answering(failing(404))
    for (const name of ['', '.', '..']) {
      await expect(catalogOf(fake).loadTable({ namespace: ['a'], name })).rejects.toThrow(
        ValidationError,
      )
      await expect(catalogOf(fake).dropNamespace([name])).rejects.toThrow(ValidationError)
    }
    expect(sent.every((one) => one.method === 'GET')).toBe(true)
  })

  test('a uri that is no http url is refused', () => {
    for (const uri of ['', 'file:///etc', 'catalog.test', 'http://']) {
      expect(() => new RestCatalog({ uri })).toThrow(ValidationError)
    }
  })
})

describe('wire forms', () => {
  const snapshotId = fc.oneof(fc.bigInt(0n, 2n ** 63n - 1n), fc.constant(2n ** 53n + 1n))
  const int = fc.integer({ min: -1, max: 2 ** 31 - 1 })
  const text = fc.string({ unit: 'grapheme' })

  test('requirements survive the wire exactly', () => {
    const requirement: fc.Arbitrary<TableRequirement> = fc.oneof(
      fc.record({ type: fc.constant('assert-create' as const) }),
      fc.record({ type: fc.constant('assert-table-uuid' as const), uuid: text }),
      fc.record({
        type: fc.constant('assert-ref-snapshot-id' as const),
        ref: text,
        snapshotId: fc.option(snapshotId),
      }),
      fc.record({
        type: fc.constant('assert-last-assigned-field-id' as const),
        lastAssignedFieldId: int,
      }),
      fc.record({ type: fc.constant('assert-current-schema-id' as const), currentSchemaId: int }),
      fc.record({
        type: fc.constant('assert-last-assigned-partition-id' as const),
        lastAssignedPartitionId: int,
      }),
      fc.record({ type: fc.constant('assert-default-spec-id' as const), defaultSpecId: int }),
      fc.record({
        type: fc.constant('assert-default-sort-order-id' as const),
        defaultSortOrderId: int,
      }),
    )
    fc.assert(
      fc.property(requirement, (one) => {
        const wire = parseJson(stringifyJson(requirementToJson(one)))
        expect(requirementFromJson(wire, 'test')).toEqual(one)
      }),
    )
  })

  test('updates survive the wire exactly', () => {
    const updates: readonly TableUpdate[] = [
      { action: 'assign-uuid', uuid: 'u' },
      { action: 'upgrade-format-version', formatVersion: 2 },
      {
        action: 'add-schema',
        schema: {
          schemaId: 3,
          identifierFieldIds: [1],
          fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' }, doc: 'd' }],
        },
        lastColumnId: 7,
      },
      { action: 'set-current-schema', schemaId: -1 },
      {
        action: 'add-spec',
        spec: {
          specId: 2,
          fields: [
            { sourceId: 1, fieldId: 1003, name: 'b', transform: { kind: 'bucket', buckets: 16 } },
          ],
        },
      },
      { action: 'set-default-spec', specId: -1 },
      {
        action: 'add-sort-order',
        sortOrder: {
          orderId: 1,
          fields: [
            {
              sourceId: 1,
              transform: { kind: 'identity' },
              direction: 'desc',
              nullOrder: 'nulls-last',
            },
          ],
        },
      },
      { action: 'set-default-sort-order', sortOrderId: -1 },
      {
        action: 'add-snapshot',
        snapshot: {
          snapshotId: 2n ** 63n - 1n,
          parentSnapshotId: 2n ** 53n + 1n,
          sequenceNumber: 2n ** 53n + 2n,
          timestampMs: 1_700_000_000_000n,
          manifestList: 's3://lake/m.avro',
          summary: { operation: 'append', n: '1' },
          schemaId: 0,
        },
      },
      {
        action: 'set-snapshot-ref',
        refName: 'dev',
        ref: {
          snapshotId: 2n ** 60n,
          type: 'branch',
          maxRefAgeMs: 2n ** 62n,
          minSnapshotsToKeep: 3,
        },
      },
      { action: 'remove-snapshots', snapshotIds: [1n, 2n ** 62n] },
      { action: 'remove-snapshot-ref', refName: 'dev' },
      { action: 'set-location', location: 's3://lake/t' },
      { action: 'set-properties', updates: { a: 'ß' } },
      { action: 'remove-properties', removals: ['a'] },
      { action: 'set-statistics', statistics: { 'snapshot-id': 2n ** 62n, x: [] } },
      { action: 'remove-statistics', snapshotId: 2n ** 62n },
      { action: 'set-partition-statistics', partitionStatistics: { 'snapshot-id': 5 } },
      { action: 'remove-partition-statistics', snapshotId: 5n },
      { action: 'remove-partition-specs', specIds: [1, 2] },
      { action: 'remove-schemas', schemaIds: [1] },
    ]
    for (const update of updates) {
      const wire = parseJson(stringifyJson(updateToJson(update)))
      expect(updateFromJson(wire, 'test')).toEqual(update)
    }
  })
})
