/** Bodies that hold whole tables (REST OpenAPI, "LoadTableResult", "CreateTableRequest", …). */
import type { Namespace, TableIdentifier } from '../format/identifiers.ts'
import type { Json, JsonObject } from '../../common/index.ts'
import type { CreateTableRequest, Table, TableCommit } from '../catalog.ts'
import {
  asArray,
  asBoolean,
  asObject,
  asString,
  asStringMap,
  optionalField,
  requiredField,
} from '../format/json-fields.ts'
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
  const object = asObject(json, where)
  return {
    namespace: namespaceFromJson(object, where),
    name: requiredField(object, 'name', where, asString),
  }
}

export function namespaceFromJson(object: JsonObject, where: string): Namespace {
  return requiredField(object, 'namespace', where, asArray).map((level) =>
    asString(level, `${where}.namespace`),
  )
}

export function loadTableResultFromJson(json: Json, identifier: TableIdentifier): Table {
  const object = asObject(json, 'load-table-result')
  const metadataLocation = requiredField(object, 'metadata-location', 'load-table-result', asString)
  return {
    identifier,
    metadata: tableMetadataFromJson(object['metadata'], metadataLocation),
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
  const where = 'create-table'
  const object = asObject(json, where)
  const partitionSpec = optionalField(object, 'partition-spec', where, partitionSpecFromJson)
  const sortOrder = optionalField(object, 'write-order', where, sortOrderFromJson)
  const properties = optionalField(object, 'properties', where, asStringMap)
  const location = optionalField(object, 'location', where, asString)
  return {
    request: {
      identifier: { namespace, name: requiredField(object, 'name', where, asString) },
      schema: schemaFromJson(object['schema'], `${where}.schema`),
      ...(partitionSpec === undefined ? {} : { partitionSpec }),
      ...(sortOrder === undefined ? {} : { sortOrder }),
      ...(properties === undefined ? {} : { properties }),
      ...(location === undefined ? {} : { location }),
    },
    stage: optionalField(object, 'stage-create', where, asBoolean) ?? false,
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
  const where = 'commit'
  const object = asObject(json, where)
  return {
    identifier,
    requirements: requiredField(object, 'requirements', where, asArray).map((item, index) =>
      requirementFromJson(item, `${where}.requirements[${index}]`),
    ),
    updates: requiredField(object, 'updates', where, asArray).map((item, index) =>
      updateFromJson(item, `${where}.updates[${index}]`),
    ),
  }
}
