/** The metadata table `partitions`: active data files grouped by partition tuple. */
import { indexFields } from '../format/schema.ts'
import { compareValues } from '../format/single-value.ts'
import { currentSchema } from '../format/table-metadata.ts'
import { isPrimitive } from '../format/type-text.ts'
import type { DataFile, PrimitiveType, TableMetadata, Value } from '../format/types.ts'
import {
  bigint,
  columns,
  rowOf,
  type MetadataCell,
  type MetadataColumn,
  type MetadataTableReader,
} from './metadata-columns.ts'
import { decodeBound, readEntries } from './metadata-files-table.ts'
import { PartitionRow } from './metadata-partition-row.ts'

export const partitionsTable: MetadataTableReader = async (table, source, snapshotId) => {
  const { metadata } = table
  const partition = new PartitionRow(metadata)
  const measured = measuredColumns(metadata)
  const groups = new Map<string, { readonly cell: MetadataCell; readonly files: DataFile[] }>()
  for (const { status, dataFile } of await readEntries(table, source, snapshotId)) {
    if (status === 'deleted' || dataFile.content !== 'data') continue
    const cell = partition.cell(dataFile)
    const key = partition.key(dataFile)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { cell, files: [dataFile] })
    else group.files.push(dataFile)
  }
  return {
    columns: [
      ...partition.columns(),
      ...columns({ record_count: bigint, file_count: bigint, total_size: bigint }),
      { name: 'data', type: rowOf(measured.map(dataColumn)) },
    ],
    rows: [...groups.values()].map(({ cell, files }) => ({
      partition: cell,
      record_count: sum(files.map((file) => file.recordCount)),
      file_count: BigInt(files.length),
      total_size: sum(files.map((file) => file.fileSizeInBytes)),
      data: Object.fromEntries(
        measured.map((column) => [column.name, measure(metadata, column, files)]),
      ),
    })),
  }
}

interface MeasuredColumn {
  readonly id: number
  readonly name: string
  readonly type: PrimitiveType
}

/** Top-level primitive columns, as Trino summarizes them. */
function measuredColumns(metadata: TableMetadata): readonly MeasuredColumn[] {
  return [...indexFields(currentSchema(metadata)).values()].flatMap(({ field, parentId }) =>
    parentId === undefined && isPrimitive(field.type)
      ? [{ id: field.id, name: field.name, type: field.type }]
      : [],
  )
}

function dataColumn({ name, type }: MeasuredColumn): MetadataColumn {
  return {
    name,
    type: rowOf(columns({ min: type, max: type, null_count: bigint, nan_count: bigint })),
  }
}

/** The bounds and counts of one column over a partition; null when one of its files does not state its own. */
function measure(
  metadata: TableMetadata,
  { id, type }: MeasuredColumn,
  files: readonly DataFile[],
): MetadataCell {
  const bounds = (of: (file: DataFile) => ReadonlyMap<number, Uint8Array> | undefined): Value[] =>
    files.flatMap((file) => {
      const bytes = of(file)?.get(id)
      return bytes === undefined ? [] : (decodeBound(metadata, id, bytes)?.value ?? [])
    })
  const counts = (
    of: (file: DataFile) => ReadonlyMap<number, bigint> | undefined,
  ): bigint | null => {
    const stated = files.flatMap((file) => of(file)?.get(id) ?? [])
    return stated.length < files.length ? null : sum(stated)
  }
  const holdsValues = (file: DataFile): boolean =>
    file.valueCounts?.get(id) !== file.nullValueCounts?.get(id)
  const needed = files.filter(holdsValues).length
  const lower = bounds((file) => file.lowerBounds)
  const upper = bounds((file) => file.upperBounds)
  return {
    min: lower.length < needed ? null : extreme(type, lower, -1),
    max: upper.length < needed ? null : extreme(type, upper, 1),
    null_count: counts((file) => file.nullValueCounts),
    nan_count: counts((file) => file.nanValueCounts),
  }
}

function extreme(type: PrimitiveType, values: readonly Value[], sign: number): Value | null {
  return values.reduce<Value | null>(
    (best, value) => (best === null || sign * compareValues(type, value, best) > 0 ? value : best),
    null,
  )
}

function sum(numbers: readonly bigint[]): bigint {
  return numbers.reduce((total, number) => total + number, 0n)
}
