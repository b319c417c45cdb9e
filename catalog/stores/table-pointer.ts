/**
 * The content of the pointer object of a table, and its JSON form.
 *
 * A dropped table leaves a tombstone in place of its pointer, so that a delayed create cannot bring
 * it back; a rename in progress leaves its intent, so that the next reader of the pointer finishes or
 * undoes it. An intent of a later release is refused, never skipped.
 */
import type { TableIdentifier } from '../format/identifiers.ts'
import {
  CorruptDataError,
  type Json,
  type JsonObject,
  UnsupportedError,
  isJsonObject,
} from '../../common/index.ts'
import type { TableMetadata } from '../format/types.ts'
import type { PayloadCodec } from './swap-object.ts'

/** In the source: pending while the table exists, done once it is dropped. */
export interface RenameToIntent {
  readonly kind: 'rename-to'
  readonly id: string
  readonly to: TableIdentifier
}

/** In the target, which is valid only once the source shows that the rename is done. */
export interface RenameFromIntent {
  readonly kind: 'rename-from'
  readonly id: string
  readonly from: TableIdentifier
}

export type PointerIntent = RenameToIntent | RenameFromIntent

export interface TablePointer {
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
  /** Empty for a table of version 1 without one; compare by `isSameUuid`. */
  readonly tableUuid: string
  /** The location in the metadata of the table; undefined in pointers of older releases. */
  readonly location?: string
  /** A tombstone: the name is free, the history of the object goes on. */
  readonly dropped: boolean
  /** The drop asked for the files to be deleted; kept so that an interrupted purge can be found. */
  readonly purge?: boolean
  readonly intent?: PointerIntent
}

/** The pointer to a table that exists. */
export function pointerTo(
  identifier: TableIdentifier,
  metadataLocation: string,
  { tableUuid, location }: TableMetadata,
): TablePointer {
  return { identifier, metadataLocation, tableUuid, location, dropped: false }
}

export const tablePointerCodec: PayloadCodec<TablePointer> = {
  toJson: (pointer) => ({
    identifier: identifierToJson(pointer.identifier),
    metadataLocation: pointer.metadataLocation,
    tableUuid: pointer.tableUuid,
    ...(pointer.location === undefined ? {} : { location: pointer.location }),
    dropped: pointer.dropped,
    ...(pointer.purge === undefined ? {} : { purge: pointer.purge }),
    ...(pointer.intent === undefined ? {} : { intent: intentToJson(pointer.intent) }),
  }),
  fromJson: (json, where) => {
    const { metadataLocation, tableUuid, location, dropped, purge, intent } = json
    if (typeof metadataLocation !== 'string' || typeof tableUuid !== 'string') {
      throw damaged(where, 'no metadata location or table uuid')
    }
    if (typeof dropped !== 'boolean') throw damaged(where, 'no dropped flag')
    return {
      identifier: identifierFromJson(json['identifier'], where),
      metadataLocation,
      tableUuid,
      ...(typeof location === 'string' ? { location } : {}),
      dropped,
      ...(typeof purge === 'boolean' ? { purge } : {}),
      ...(intent === undefined ? {} : { intent: intentFromJson(intent, where) }),
    }
  },
}

/** The empty text stands for a table without a uuid and never equals another. */
export function isSameUuid(left: string, right: string): boolean {
  return left !== '' && left === right
}

function intentToJson(intent: PointerIntent): JsonObject {
  return intent.kind === 'rename-to'
    ? { kind: intent.kind, id: intent.id, to: identifierToJson(intent.to) }
    : { kind: intent.kind, id: intent.id, from: identifierToJson(intent.from) }
}

function intentFromJson(json: Json, where: string): PointerIntent {
  if (!isJsonObject(json) || typeof json['id'] !== 'string') throw damaged(where, 'intent')
  const { kind, id } = json
  if (kind === 'rename-to') return { kind, id, to: identifierFromJson(json['to'], where) }
  if (kind === 'rename-from') return { kind, id, from: identifierFromJson(json['from'], where) }
  throw new UnsupportedError('a newer release has left an unfinished operation in the catalog', {
    facts: { object: where, kind: String(kind) },
  })
}

function identifierToJson(identifier: TableIdentifier): JsonObject {
  return { namespace: [...identifier.namespace], name: identifier.name }
}

function identifierFromJson(json: Json | undefined, where: string): TableIdentifier {
  const namespace: Json | undefined = isJsonObject(json) ? json['namespace'] : undefined
  const name = isJsonObject(json) ? json['name'] : undefined
  const isText = (level: unknown): level is string => typeof level === 'string'
  if (typeof name !== 'string' || !Array.isArray(namespace) || !namespace.every(isText)) {
    throw damaged(where, 'identifier')
  }
  return { namespace, name }
}

function damaged(where: string, reason: string): CorruptDataError {
  return new CorruptDataError('table pointer is damaged', { facts: { where, reason } })
}
