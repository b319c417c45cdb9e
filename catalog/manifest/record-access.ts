/**
 * Members of Avro records by Iceberg field id, because position and name differ between writers
 * (iceberg-facts 13).
 */
import { CorruptDataError } from '../../common/index.ts'
import type { AvroDatum } from '../format/avro/avro-datum.ts'
import type { AvroRecord, AvroType } from '../format/avro/avro-schema.ts'
import { fieldIdsByName } from './manifest-schema.ts'

export class RecordAccess {
  readonly #positions: ReadonlyMap<number, number>
  readonly #type: AvroRecord
  readonly #where: string

  constructor(type: AvroType, where: string) {
    if (type.kind !== 'record') {
      throw new CorruptDataError('avro file does not hold records', { facts: { where } })
    }
    this.#type = type
    this.#where = where
    this.#positions = new Map(
      type.fields.map((field, position) => [
        field.fieldId ?? fieldIdsByName.get(field.name) ?? -1 - position,
        position,
      ]),
    )
  }

  /** The member, or null where it is null or the file does not have the field. */
  get(record: AvroDatum, fieldId: number): AvroDatum {
    const position = this.#positions.get(fieldId)
    return position === undefined ? null : ((record as readonly AvroDatum[])[position] ?? null)
  }

  required(record: AvroDatum, fieldId: number): NonNullable<AvroDatum> {
    const value = this.get(record, fieldId)
    if (value !== null) return value
    throw new CorruptDataError('a required field of a manifest or manifest list is missing', {
      facts: { where: this.#where, 'field-id': fieldId },
    })
  }

  /** A 64-bit member; some writers declare the field as an int. */
  long(record: AvroDatum, fieldId: number): bigint {
    return BigInt(this.required(record, fieldId) as bigint | number)
  }

  optionalLong(record: AvroDatum, fieldId: number): bigint | undefined {
    const value = this.get(record, fieldId)
    return value === null ? undefined : BigInt(value as bigint | number)
  }

  /** Access to the records inside a field; undefined when the file does not have the field. */
  nested(fieldId: number): RecordAccess | undefined {
    const position = this.#positions.get(fieldId)
    const type = position === undefined ? undefined : this.#type.fields[position]?.type
    const inner = type === undefined ? undefined : recordInside(type)
    return inner === undefined ? undefined : new RecordAccess(inner, this.#where)
  }

  /** Position of a field in the record of a partition tuple: by id, or `fallback` where the file has no ids. */
  positionOf(fieldId: number, fallback: number): number {
    const position = this.#positions.get(fieldId)
    if (position !== undefined) return position
    const withoutIds = this.#type.fields.every((field) => field.fieldId === undefined)
    return withoutIds ? fallback : -1
  }
}

function recordInside(type: AvroType): AvroRecord | undefined {
  if (type.kind === 'record') return type
  if (type.kind === 'array') return recordInside(type.items)
  if (type.kind !== 'union') return undefined
  return type.branches.map((branch) => recordInside(branch)).find((record) => record !== undefined)
}
