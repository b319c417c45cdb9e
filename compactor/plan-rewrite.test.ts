import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DataFile,
  parsePartitionBy,
  type PartitionSpec,
  type Schema,
  type TableMetadata,
} from '../catalog/format/index.ts'
import type { FileScanTask } from '../catalog/scan/index.ts'
import { planRewrite, type RewriteGroup } from './plan-rewrite.ts'
import { fileSizeBytesTarget, rewriteOptions, type RewriteOptions } from './rewrite-options.ts'

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'region', required: false, type: { type: 'string' } }],
}
const byRegion: PartitionSpec = { specId: 1, fields: parsePartitionBy(['region'], schema).fields }
const metadata = {
  schemas: [schema],
  currentSchemaId: 0,
  partitionSpecs: [{ specId: 0, fields: [] }, byRegion],
  defaultSpecId: 1,
  properties: {},
} as unknown as TableMetadata

let names = 0

function dataFile(sizeBytes: number, more: Partial<DataFile> = {}): DataFile {
  return {
    content: 'data',
    filePath: `memory://t/data/${++names}.parquet`,
    fileFormat: 'PARQUET',
    specId: 0,
    partition: [],
    recordCount: 100n,
    fileSizeInBytes: BigInt(sizeBytes),
    ...more,
  }
}

function task(sizeBytes: number, more: Partial<DataFile> = {}): FileScanTask {
  return { file: dataFile(sizeBytes, more), sequenceNumber: BigInt(names), deletes: [] }
}

function deletesOf(file: DataFile, rows: bigint, names: string | undefined): DataFile {
  return {
    ...dataFile(10),
    content: 'position-deletes',
    recordCount: rows,
    ...(names === undefined ? {} : { referencedDataFile: names }),
    specId: file.specId,
  }
}

/** Target 100, small below 75, large above 180. */
const options = (given: Readonly<Record<string, string>> = {}): RewriteOptions =>
  rewriteOptions({}, { 'target-file-size-bytes': '100', ...given })

const sizesOf = (groups: readonly RewriteGroup[]): readonly (readonly bigint[])[] =>
  groups.map((group) => group.tasks.map(({ file }) => file.fileSizeInBytes))

describe('planRewrite()', () => {
  it('leaves good files alone, and small ones while there are few', () => {
    const tasks = [task(75), task(100), task(180), task(10), task(10), task(10), task(10)]
    expect(planRewrite(metadata, tasks, options()).groups).toEqual([])
  })

  it('merges as many small files as min-input-files', () => {
    const tasks = [10, 20, 100, 30, 20, 10].map((size) => task(size))
    const { groups } = planRewrite(metadata, tasks, options())
    expect(sizesOf(groups)).toEqual([[10n, 20n, 30n, 20n, 10n]])
    expect(groups[0]).toMatchObject({ reasons: ['small-files'], outputFiles: 1, sizeBytes: 90n })
  })

  it('merges fewer when they fill a file', () => {
    const { groups } = planRewrite(metadata, [task(60), task(60)], options())
    expect(groups[0]?.reasons).toEqual(['enough-content'])
  })

  it('splits a file that is too large', () => {
    const { groups } = planRewrite(metadata, [task(450)], options())
    expect(groups[0]).toMatchObject({ reasons: ['too-large'], outputFiles: 5 })
  })

  it('rewrites one file alone when deletes took enough of its rows', () => {
    const file = dataFile(100)
    const withDeletes = (rows: bigint): FileScanTask => ({
      file,
      sequenceNumber: 1n,
      deletes: [deletesOf(file, rows, file.filePath)],
    })
    expect(planRewrite(metadata, [withDeletes(29n)], options()).groups).toEqual([])
    expect(planRewrite(metadata, [withDeletes(30n)], options()).groups[0]?.reasons).toEqual([
      'many-deletes',
    ])
  })

  it('counts deletes for a whole partition only by their number, when asked to', () => {
    const file = dataFile(100)
    const shared = { file, sequenceNumber: 1n, deletes: [deletesOf(file, 90n, undefined)] }
    expect(planRewrite(metadata, [shared], options()).groups).toEqual([])
    const asked = options({ 'delete-file-threshold': '1' })
    expect(planRewrite(metadata, [shared], asked).groups).toHaveLength(1)
  })

  it('sets aside what cannot be rewritten, with the reason', () => {
    const file = dataFile(10)
    const equality: DataFile = { ...deletesOf(file, 1n, undefined), content: 'equality-deletes' }
    const plan = planRewrite(
      metadata,
      [task(10, { fileFormat: 'AVRO' }), { file, sequenceNumber: 1n, deletes: [equality] }],
      options({ 'rewrite-all': 'true' }),
    )
    expect(plan.groups).toEqual([])
    expect(plan.skipped.map(({ reason }) => reason)).toEqual(['not-parquet', 'equality-deletes'])
  })

  it('begins with the partition that was written to longest ago', () => {
    const tasks = ['hot', 'cold', 'hot'].flatMap((region, age) =>
      Array.from({ length: 5 }, () => ({
        ...task(10, { specId: 1, partition: [region] }),
        sequenceNumber: BigInt(age),
      })),
    )
    const { groups } = planRewrite(metadata, tasks, options())
    expect(groups.map(({ partition }) => partition[0])).toEqual(['cold', 'hot'])
  })

  it('keeps to max-files-to-rewrite and never cuts a group below its reason', () => {
    const tasks = Array.from({ length: 12 }, () => task(10))
    const files = (limit: string): number =>
      planRewrite(metadata, tasks, options({ 'max-files-to-rewrite': limit })).groups.reduce(
        (sum, group) => sum + group.tasks.length,
        0,
      )
    expect([files('20'), files('7'), files('4')]).toEqual([12, 7, 0])
  })

  it('does not write a file again for the sake of a few small ones when amplification is bounded', () => {
    const bounded = { ...options(), boundsAmplification: true }
    const plan = planRewrite(
      metadata,
      [60, 2, 2, 2, 2, 2].map((size) => task(size)),
      bounded,
    )
    expect(sizesOf(plan.groups)).toEqual([[2n, 2n, 2n, 2n, 2n]])
    const doubled = planRewrite(
      metadata,
      [10, 2, 2, 2, 2, 2].map((size) => task(size)),
      bounded,
    )
    expect(sizesOf(doubled.groups)).toEqual([[10n, 2n, 2n, 2n, 2n, 2n]])
  })
})

describe('planRewrite() after every commit of a stream', () => {
  /** Bytes rewritten for each byte that came, until a file of the target is full. */
  function amplification(commitBytes: number, boundsAmplification: boolean): number {
    const given = { ...options({ 'target-file-size-bytes': '128000' }), boundsAmplification }
    let active: readonly FileScanTask[] = []
    let [came, rewrote] = [0, 0]
    while (active.every(({ file }) => file.fileSizeInBytes < given.minFileSizeBytes)) {
      active = [...active, task(commitBytes)]
      came += commitBytes
      for (const group of planRewrite(metadata, active, given).groups) {
        rewrote += Number(group.sizeBytes)
        const taken = new Set(group.tasks)
        active = [...active.filter((one) => !taken.has(one)), task(Number(group.sizeBytes))]
      }
    }
    return rewrote / came
  }

  it.each([
    [4_000, 3, 4],
    [250, 5, 49],
  ])(
    'writes a byte about once for each doubling of its file (commits of %d)',
    (bytes, most, plain) => {
      expect(amplification(bytes, true)).toBeLessThan(most)
      expect(Math.round(amplification(bytes, false))).toBe(plain)
    },
  )
})

interface Shape {
  readonly size: number
  readonly specId: number
  readonly region: string | null
  readonly deleted: number
}

const shapes = fc.array(
  fc.record<Shape>({
    size: fc.integer({ min: 1, max: 400 }),
    specId: fc.constantFrom(0, 1),
    region: fc.constantFrom('a', 'b', null),
    deleted: fc.constantFrom(0, 0, 10, 50, 100),
  }),
  { maxLength: 40 },
)

function taskOf(shape: Shape): FileScanTask {
  const partition = shape.specId === 0 ? [] : [shape.region]
  const plain = task(shape.size, { specId: shape.specId, partition })
  if (shape.deleted === 0) return plain
  const { file } = plain
  return { ...plain, deletes: [deletesOf(file, BigInt(shape.deleted), file.filePath)] }
}

/** What a writer that begins a new file at exactly the target makes of a group. */
function rewritten(group: RewriteGroup, given: RewriteOptions): readonly FileScanTask[] {
  const target = fileSizeBytesTarget(group.sizeBytes, given)
  const sizes: number[] = []
  let left = Number(group.sizeBytes)
  const most = target === undefined ? left : Number(target)
  for (; left > 0; left -= most) sizes.push(Math.min(left, most))
  const { specId, partition } = group
  return sizes.map((size) => task(size, { specId, partition }))
}

describe('planRewrite() over any files', () => {
  const given = fc.record({
    'min-input-files': fc.constantFrom('1', '2', '5'),
    'rewrite-all': fc.constantFrom('false', 'true'),
    'max-file-group-size-bytes': fc.constantFrom('50', '300', '1000', '100000'),
  })

  it('[K1] takes no file twice and none that was not there', () => {
    fc.assert(
      fc.property(shapes, given, (files, choice) => {
        const tasks = files.map(taskOf)
        const { groups, skipped } = planRewrite(metadata, tasks, options(choice))
        const taken = groups.flatMap((group) => group.tasks)
        expect(new Set(taken).size).toBe(taken.length)
        expect(taken.every((one) => tasks.includes(one))).toBe(true)
        expect(skipped).toEqual([])
      }),
    )
  })

  it('[K2] keeps partitions and specs apart and groups within their size', () => {
    fc.assert(
      fc.property(shapes, given, fc.boolean(), (files, choice, boundsAmplification) => {
        const chosen = { ...options(choice), boundsAmplification }
        for (const group of planRewrite(metadata, files.map(taskOf), chosen).groups) {
          for (const { file } of group.tasks) {
            expect([file.specId, file.partition]).toEqual([group.specId, group.partition])
          }
          const isWithin = group.sizeBytes <= chosen.maxFileGroupSizeBytes
          expect(isWithin || group.tasks.length === 1).toBe(true)
          expect(group.reasons.length).toBeGreaterThan(0)
        }
      }),
    )
  })

  it('[K3] finds nothing to do after its own rewrite', () => {
    fc.assert(
      fc.property(shapes, fc.boolean(), (files, boundsAmplification) => {
        const chosen = { ...options(), boundsAmplification }
        const tasks = files.map(taskOf)
        const { groups } = planRewrite(metadata, tasks, chosen)
        const taken = new Set(groups.flatMap((group) => group.tasks))
        const after = [
          ...tasks.filter((one) => !taken.has(one)),
          ...groups.flatMap((group) => rewritten(group, chosen)),
        ]
        expect(sizesOf(planRewrite(metadata, after, chosen).groups)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})
