/** Schemas, partition specs and sort orders as updates name them: by an id, of which one is in use for new data. */
import { ValidationError } from '../../common/index.ts'
import type { TableMetadata } from '../format/types.ts'

interface PartKind {
  readonly ids: (metadata: TableMetadata) => readonly number[]
  /** The member that names the part in use. */
  readonly inUse: 'currentSchemaId' | 'defaultSpecId' | 'defaultSortOrderId'
}

const kinds = {
  schema: {
    ids: ({ schemas }) => schemas.map(({ schemaId }) => schemaId),
    inUse: 'currentSchemaId',
  },
  'partition spec': {
    ids: ({ partitionSpecs }) => partitionSpecs.map(({ specId }) => specId),
    inUse: 'defaultSpecId',
  },
  'sort order': {
    ids: ({ sortOrders }) => sortOrders.map(({ orderId }) => orderId),
    inUse: 'defaultSortOrderId',
  },
} as const satisfies Record<string, PartKind>

/** Puts another part in use. Throws ValidationError where the table does not have it. */
export function usePart(
  metadata: TableMetadata,
  kind: keyof typeof kinds,
  id: number,
): TableMetadata {
  const { ids, inUse } = kinds[kind]
  if (!ids(metadata).includes(id)) {
    throw new ValidationError(`the table has no such ${kind}`, { facts: { id } })
  }
  return metadata[inUse] === id ? metadata : { ...metadata, [inUse]: id }
}

/** The parts that stay. Throws ValidationError where the one in use is among those to remove. */
export function withoutParts<IdName extends string, Part extends Readonly<Record<IdName, number>>>(
  parts: readonly Part[],
  idName: IdName,
  removed: readonly number[],
  inUse: { readonly what: string; readonly id: number },
): readonly Part[] {
  const ids = new Set(removed)
  if (!ids.has(inUse.id)) return parts.filter((part) => !ids.has(part[idName]))
  throw new ValidationError(`the ${inUse.what} cannot be removed`, {
    facts: { [idName]: inUse.id },
  })
}
