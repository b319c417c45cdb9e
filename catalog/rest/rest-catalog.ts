/**
 * A catalog behind the Iceberg REST protocol, of Tidewater's own server or any other.
 */
import { type Namespace, type TableIdentifier, formatIdentifier } from '../format/identifiers.ts'
import {
  CommitStateUnknownError,
  type Json,
  type JsonObject,
  UnsupportedError,
  ValidationError,
  errorMessage,
  isJsonObject,
} from '../../common/index.ts'
import type { Catalog, CreateTableRequest, Table, TableCommit } from '../catalog.ts'
import { asArray, asObject, asString, asStringMap, JsonFields } from '../format/json-fields.ts'
import { tableMetadataFromJson } from '../format/table-metadata-json.ts'
import type { TableMetadata } from '../format/types.ts'
import { RestClient, type RestClientOptions } from './rest-client.ts'
import {
  createTableToJson,
  identifierFromJson,
  identifierToJson,
  loadTableResultFromJson,
  tableCommitToJson,
} from './table-json.ts'

export interface RestCatalogOptions extends RestClientOptions {
  /** The warehouse to use; the server may answer with a path prefix for it. */
  readonly warehouse?: string
}

/** Listings with more pages are refused, because the server may never end them. */
const pagesMax = 10_000
const levelSeparator = '%1F'

export class RestCatalog implements Catalog {
  readonly #client: RestClient
  readonly #warehouse: string | undefined
  #prefix: Promise<string> | undefined

  constructor(options: RestCatalogOptions) {
    this.#client = new RestClient(options)
    this.#warehouse = options.warehouse
  }

  async listNamespaces(parent?: Namespace): Promise<readonly Namespace[]> {
    const query = parent === undefined ? {} : { parent: parent.join('\u001f') }
    const items = await this.#list('namespaces', 'namespaces', query)
    return items.map((item) => asArray(item, 'namespace').map((level) => asString(level, 'level')))
  }

  async createNamespace(
    namespace: Namespace,
    properties: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const path = await this.#path('namespaces')
    await this.#client.send({
      method: 'POST',
      path,
      body: { namespace: [...namespace], properties },
      conflict: 'exists',
    })
  }

  async loadNamespace(namespace: Namespace): Promise<Readonly<Record<string, string>>> {
    const path = await this.#path(...namespacePath(namespace))
    const body = new JsonFields(await this.#client.send({ method: 'GET', path }), path)
    return body.optional('properties', asStringMap) ?? {}
  }

  async updateNamespaceProperties(
    namespace: Namespace,
    changes: {
      readonly updates: Readonly<Record<string, string>>
      readonly removals: readonly string[]
    },
  ): Promise<void> {
    const path = await this.#path(...namespacePath(namespace), 'properties')
    await this.#client.send({
      method: 'POST',
      path,
      body: { updates: changes.updates, removals: [...changes.removals] },
    })
  }

  async dropNamespace(namespace: Namespace): Promise<void> {
    const path = await this.#path(...namespacePath(namespace))
    await this.#client.send({ method: 'DELETE', path, conflict: 'not-empty' })
  }

  async listTables(namespace: Namespace): Promise<readonly TableIdentifier[]> {
    const path = [...namespacePath(namespace), 'tables'].join('/')
    const items = await this.#list(path, 'identifiers', {})
    return items.map((item) => identifierFromJson(item, path))
  }

  async createTable(request: CreateTableRequest): Promise<Table> {
    const answer = await this.#create(request, false)
    return tableOfWrite(answer, request.identifier)
  }

  async stageTable(request: CreateTableRequest): Promise<TableMetadata> {
    const answer = asObject(await this.#create(request, true), 'stage-create')
    return tableMetadataFromJson(answer['metadata'], 'stage-create')
  }

  async loadTable(identifier: TableIdentifier): Promise<Table> {
    const path = await this.#path(...tablePath(identifier))
    const answer = await this.#client.send({ method: 'GET', path, query: { snapshots: 'all' } })
    return loadTableResultFromJson(answer ?? null, identifier)
  }

  async commitTable(commit: TableCommit): Promise<Table> {
    const path = await this.#path(...tablePath(commit.identifier))
    const body = tableCommitToJson(commit)
    const answer = await this.#client.send({
      method: 'POST',
      path,
      body,
      conflict: 'commit-failed',
    })
    return tableOfWrite(answer ?? null, commit.identifier)
  }

  async dropTable(
    identifier: TableIdentifier,
    options: { readonly purge?: boolean } = {},
  ): Promise<undefined> {
    const path = await this.#path(...tablePath(identifier))
    const query = { purgeRequested: String(options.purge ?? false) }
    await this.#client.send({ method: 'DELETE', path, query })
    return undefined
  }

  async renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    const path = await this.#path('tables', 'rename')
    const body = { source: identifierToJson(from), destination: identifierToJson(to) }
    await this.#client.send({ method: 'POST', path, body, conflict: 'exists' })
  }

  async registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<Table> {
    const path = await this.#path(...namespacePath(identifier.namespace), 'register')
    const body = { name: identifier.name, 'metadata-location': metadataLocation }
    const answer = await this.#client.send({ method: 'POST', path, body, conflict: 'exists' })
    return tableOfWrite(answer ?? null, identifier)
  }

  async #create(request: CreateTableRequest, stage: boolean): Promise<Json> {
    const path = await this.#path(...namespacePath(request.identifier.namespace), 'tables')
    const body = createTableToJson(request, stage)
    return (await this.#client.send({ method: 'POST', path, body, conflict: 'exists' })) ?? null
  }

  /** All pages of a listing. */
  async #list(
    relative: string,
    member: string,
    query: Readonly<Record<string, string>>,
  ): Promise<readonly Json[]> {
    const path = await this.#path(relative)
    const items: Json[] = []
    let pageToken: string | undefined
    for (let page = 0; page < pagesMax; page++) {
      const answer = await this.#client.send({
        method: 'GET',
        path,
        query: { ...query, pageToken: pageToken ?? '' },
      })
      const body = new JsonFields(answer, path)
      items.push(...body.required(member, asArray))
      pageToken = body.optional('next-page-token', asString)
      if (pageToken === undefined || pageToken === '') return items
    }
    throw new UnsupportedError("the catalog's listing has too many pages", {
      facts: { path, pagesMax },
    })
  }

  async #path(...parts: readonly string[]): Promise<string> {
    this.#prefix ??= this.#loadPrefix().catch((error: unknown) => {
      // After a failure the next call requests the configuration again.
      this.#prefix = undefined
      throw error
    })
    return [await this.#prefix, ...parts].filter((part) => part !== '').join('/')
  }

  async #loadPrefix(): Promise<string> {
    const query = { warehouse: this.#warehouse }
    const config = asObject(
      await this.#client.send({ method: 'GET', path: 'config', query }),
      'config',
    )
    const uri = memberOf(config, 'uri')
    if (uri !== undefined && (!URL.canParse(uri) || new URL(uri).origin !== this.#client.origin)) {
      throw new UnsupportedError('the catalog sends clients to another origin; name it yourself', {
        facts: { given: this.#client.origin, uri },
      })
    }
    const prefix = memberOf(config, 'prefix') ?? ''
    return prefix.split('/').map(encodeURIComponent).join('/')
  }
}

/** The member from `overrides`, or else from `defaults`. */
function memberOf(config: JsonObject, key: string): string | undefined {
  for (const group of ['overrides', 'defaults']) {
    const values = config[group]
    if (isJsonObject(values) && typeof values[key] === 'string') return values[key]
  }
  return undefined
}

function namespacePath(namespace: Namespace): readonly string[] {
  return ['namespaces', namespace.map(segment).join(levelSeparator)]
}

function tablePath(identifier: TableIdentifier): readonly string[] {
  return [...namespacePath(identifier.namespace), 'tables', segment(identifier.name)]
}

/** Throws for `.` and `..`, which a URL resolves away however they are escaped. */
function segment(name: string): string {
  if (name !== '' && name !== '.' && name !== '..') return encodeURIComponent(name)
  throw new ValidationError('this name cannot be part of a url', {
    facts: { name: JSON.stringify(name) },
  })
}

/**
 * The table that a write was answered with. The catalog has made the change even where its answer cannot be read,
 * so that is no failure after which files may be deleted.
 */
function tableOfWrite(answer: Json, identifier: TableIdentifier): Table {
  try {
    return loadTableResultFromJson(answer, identifier)
  } catch (error) {
    throw new CommitStateUnknownError(
      'the catalog made the change, but its answer cannot be read',
      { facts: { table: formatIdentifier(identifier), reason: errorMessage(error) }, cause: error },
    )
  }
}
