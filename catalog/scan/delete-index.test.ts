import { describe, expect, it } from 'vitest'
import { lakeFile, openCatalogLake } from '../../tests/support/catalog-lake.ts'
import { positionDeleteFile } from '../data-files/position-deletes.ts'
import type { DataFile, Value } from '../format/types.ts'
import { DeleteIndex, onlyReferencedFile } from './delete-index.ts'

function deletesOf(referencedFiles: readonly string[], partition: Value = 'at'): DataFile {
  return positionDeleteFile({
    filePath: `memory://w/deletes-${referencedFiles.join('-').length}.parquet`,
    fileSizeInBytes: 1n,
    specId: 0,
    partition: [partition],
    recordCount: 2n,
    referencedFiles,
    posMin: 0n,
    posMax: 1n,
  })
}

async function applies(
  deletes: DataFile,
  file: Partial<DataFile>,
  [ofDeletes, ofFile]: readonly [bigint, bigint] = [2n, 1n],
): Promise<boolean> {
  const { metadata } = await (await openCatalogLake()).load()
  const entry = { status: 'added', sequenceNumber: ofDeletes, dataFile: deletes } as const
  return new DeleteIndex(metadata, [entry]).deletesFor(lakeFile(file), ofFile).length > 0
}

describe('DeleteIndex', () => {
  it('[F31] holds position deletes against the files within the bounds of their paths', async () => {
    const deletes = deletesOf(['m://b', 'm://\u{1f600}'])
    expect(deletes.referencedDataFile).toBeUndefined()
    expect(await applies(deletes, { filePath: 'm://b' })).toBe(true)
    expect(await applies(deletes, { filePath: 'm://c' })).toBe(true)
    // Above every two-byte sign, as bytes go, and below the emoji.
    expect(await applies(deletes, { filePath: 'm://\uff5e' })).toBe(true)
    expect(await applies(deletes, { filePath: 'm://\u{1f600}' })).toBe(true)
    expect(await applies(deletes, { filePath: 'm://a' })).toBe(false)
    expect(await applies(deletes, { filePath: 'm://\u{1f601}' })).toBe(false)
  })

  it('[F31] holds those that name one file against that file only', async () => {
    const deletes = deletesOf(['m://b'])
    const { referencedDataFile: _, ...older } = deletes
    for (const one of [deletes, older]) {
      expect(onlyReferencedFile(one)).toBe('m://b')
      expect(await applies(one, { filePath: 'm://b' })).toBe(true)
      expect(await applies(one, { filePath: 'm://b2' })).toBe(false)
    }
    expect(onlyReferencedFile(deletesOf(['m://b', 'm://c']))).toBeUndefined()
  })

  it('[F31] [F32] goes by partition and sequence number', async () => {
    const file = { filePath: 'm://b' }
    const deletes = deletesOf(['m://b'])
    expect(await applies(deletes, file, [2n, 2n])).toBe(true)
    expect(await applies(deletes, file, [2n, 3n])).toBe(false)
    expect(await applies(deletes, { ...file, partition: ['de'] })).toBe(false)
    const equality = lakeFile({ content: 'equality-deletes', equalityIds: [1] })
    expect(await applies(equality, file, [2n, 1n])).toBe(true)
    expect(await applies(equality, file, [2n, 2n])).toBe(false)
    expect(await applies(equality, { ...file, partition: ['de'] })).toBe(false)
  })
})
