/**
 * Partitioning a table otherwise (spec, "Partition Evolution"): new files follow the new spec, old ones keep
 * theirs, and no row is read or written for it.
 */
import { UnsupportedError, ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import { parsePartitionBy, partitionTermOf } from '../format/partition-by.ts'
import type { PartitionTerm } from '../format/partition-term.ts'
import { fieldName } from '../format/schema.ts'
import { currentSchema, defaultPartitionSpec } from '../format/table-metadata.ts'
import { sameTransform } from '../format/transform-text.ts'
import type { PartitionField, PartitionSpec, TableMetadata } from '../format/types.ts'
import type { ActionCommit, MetadataAction } from './action.ts'

export class UpdatePartitionSpec implements MetadataAction {
  readonly #terms: (metadata: TableMetadata) => readonly PartitionTerm[] | undefined

  /** `terms` are asked for on the table of each attempt; undefined leaves it as it is. */
  constructor(terms: (metadata: TableMetadata) => readonly PartitionTerm[] | undefined) {
    this.#terms = terms
  }

  // A term that is refused rejects, as every failure of an action does.
  async commit({ metadata }: Table): Promise<ActionCommit> {
    const terms = this.#terms(metadata)
    const spec = terms === undefined ? undefined : partitionedBy(metadata, terms)
    if (spec === undefined) return { requirements: [], updates: [] }
    return {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-default-spec-id', defaultSpecId: metadata.defaultSpecId },
        {
          type: 'assert-last-assigned-partition-id',
          lastAssignedPartitionId: metadata.lastPartitionId,
        },
        { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
      ],
      updates: [
        { action: 'add-spec', spec },
        { action: 'set-default-spec', specId: -1 },
      ],
    }
  }
}

/** The terms by which new files of the table are partitioned. */
export function partitionTerms(metadata: TableMetadata): readonly string[] {
  const schema = currentSchema(metadata)
  return defaultPartitionSpec(metadata).fields.map((field) =>
    partitionTermOf(fieldName(schema, field.sourceId) ?? `#${field.sourceId}`, field),
  )
}

/**
 * The spec of the terms; undefined where the table has it. A field keeps the id, and without a name of its
 * own the name, that it has in any spec of the table.
 */
export function partitionedBy(
  metadata: TableMetadata,
  terms: readonly PartitionTerm[],
): PartitionSpec | undefined {
  const schema = currentSchema(metadata)
  const existing = [defaultPartitionSpec(metadata), ...metadata.partitionSpecs].flatMap(
    ({ fields }) => fields,
  )
  let nextId = metadata.lastPartitionId + 1
  const { fields: requested } = parsePartitionBy(terms, schema, { avoidsColumns: true })
  const fields = requested.map((field, index): PartitionField => {
    const same = existing.find(
      (one) => one.sourceId === field.sourceId && sameTransform(one.transform, field.transform),
    )
    if (same === undefined) return { ...field, fieldId: nextId++ }
    const isNamed = terms[index]?.name !== undefined
    return { ...field, fieldId: same.fieldId, name: isNamed ? field.name : same.name }
  })
  const names = fields.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new ValidationError('two partition fields would have the same name; name one with `as`', {
      facts: { field: twice },
    })
  }
  const now = defaultPartitionSpec(metadata).fields
  if (fields.length === now.length && fields.every((field, at) => isSame(field, now[at]))) {
    return undefined
  }
  if (metadata.formatVersion === 1) {
    throw new UnsupportedError(
      'a table of format version 1 keeps its partitioning; upgrade it first',
      {
        facts: { table: metadata.location },
      },
    )
  }
  return { specId: metadata.partitionSpecs.length, fields }
}

function isSame(field: PartitionField, other: PartitionField | undefined): boolean {
  return field.fieldId === other?.fieldId && field.name === other.name
}
