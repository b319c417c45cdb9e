/** Bodies that hold whole tables (REST OpenAPI, "LoadTableResult", "CreateTableRequest", …). */
import type { Namespace, TableIdentifier } from '../format/identifiers.ts'
import type { Json, JsonObject } from '../../common/index.ts'
import type { CreateTableRequest, Table, TableCommit } from '../catalog.ts'
import { asBoolean, asString, asStringMap, JsonFields, listOf } from '../format/json-fields.ts'
import { partitionSpecFromJson, partitionSpecToJson } from '../format/partition-spec-json.ts'
import { schemaFromJson, schemaToJson } from '../format/schema-json.ts'
import { sortOrderFromJson, sortOrderToJson } from '../format/sort-order-json.ts'
import { tableMetadataFromJson, tableMetadataToJson } from '../format/table-metadata-json.ts'
import type { TableMetadata } from '../format/types.ts'
import { requirementFromJson, requirementToJson } from './requirement-json.ts'
import { updateFromJson, updateToJson } from './update-json.ts'

export function identifierToJson(identifier: TableIdentifier): JsonObject {
  return { namespace: [...identifier.namespace], name: identifier.name }
}

export function identifierFromJson(json: Json | undefined, where: string): TableIdentifier {
  const fields = new JsonFields(json, where)
  return {
    namespace: namespaceFromJson(fields.object, where),
    name: fields.required('name', asString),
  }
}

export function namespaceFromJson(object: JsonObject, where: string): Namespace {
  return new JsonFields(object, where).required('namespace', listOf(asString))
}

export function loadTableResultFromJson(json: Json, identifier: TableIdentifier): Table {
  const fields = new JsonFields(json, 'load-table-result')
  const metadataLocation = fields.required('metadata-location', asString)
  return {
    identifier,
    metadata: tableMetadataFromJson(fields.object['metadata'], metadataLocation),
    metadataLocation,
  }
}

/** `metadataLocation` is absent for a staged table. */
export function loadTableResultToJson(
  metadata: TableMetadata,
  metadataLocation: string | undefined,
  config: Readonly<Record<string, string>> | undefined,
): JsonObject {
  return {
    ...(metadataLocation === undefined ? {} : { 'metadata-location': metadataLocation }),
    metadata: tableMetadataToJson(metadata),
    ...(config === undefined ? {} : { config }),
  }
}

export function createTableToJson(request: CreateTableRequest, stage: boolean): JsonObject {
  return {
    name: request.identifier.name,
    schema: schemaToJson(request.schema),
    ...(request.location === undefined ? {} : { location: request.location }),
    ...(request.partitionSpec === undefined
      ? {}
      : { 'partition-spec': partitionSpecToJson(request.partitionSpec) }),
    ...(request.sortOrder === undefined
      ? {}
      : { 'write-order': sortOrderToJson(request.sortOrder) }),
    ...(request.properties === undefined ? {} : { properties: request.properties }),
    'stage-create': stage,
  }
}

export function createTableFromJson(
  json: Json | undefined,
  namespace: Namespace,
): { readonly request: CreateTableRequest; readonly stage: boolean } {
  const fields = new JsonFields(json, 'create-table')
  const partitionSpec = fields.optional('partition-spec', partitionSpecFromJson)
  const sortOrder = fields.optional('write-order', sortOrderFromJson)
  const properties = fields.optional('properties', asStringMap)
  const location = fields.optional('location', asString)
  return {
    request: {
      identifier: { namespace, name: fields.required('name', asString) },
      schema: fields.required('schema', schemaFromJson),
      ...(partitionSpec === undefined ? {} : { partitionSpec }),
      ...(sortOrder === undefined ? {} : { sortOrder }),
      ...(properties === undefined ? {} : { properties }),
      ...(location === undefined ? {} : { location }),
    },
    stage: fields.optional('stage-create', asBoolean) ?? false,
  }
}

export function tableCommitToJson(commit: TableCommit): JsonObject {
  return {
    identifier: identifierToJson(commit.identifier),
    requirements: commit.requirements.map(requirementToJson),
    updates: commit.updates.map(updateToJson),
  }
}

/** The identifier comes from the URL; one in the body is ignored, as the spec says. */
export function tableCommitFromJson(
  json: Json | undefined,
  identifier: TableIdentifier,
): TableCommit {
  const fields = new JsonFields(json, 'commit')
  return {
    identifier,
    requirements: fields.required('requirements', listOf(requirementFromJson)),
    updates: fields.required('updates', listOf(updateFromJson)),
  }
}
