import { describe, expect, it } from 'vitest'
import type { Type } from '../../catalog/format/index.ts'
import { scanSelect } from './scan-sql.ts'

function listOf(levels: number): Type {
  if (levels === 0) return { type: 'long' }
  return {
    type: 'list',
    elementId: 100 + levels,
    elementRequired: false,
    element: listOf(levels - 1),
  }
}

function select(type: Type): string {
  return scanSelect({
    schema: {
      schemaId: 0,
      identifierFieldIds: [],
      fields: [{ id: 1, name: 'deep', required: false, type }],
    },
    groups: [{ files: [{ location: 'file:///a.parquet', path: '/a.parquet' }], layout: undefined }],
    rowCount: 1n,
    withPath: false,
  })
}

describe('scanSelect()', () => {
  it('refuses lists so deep that the engine would not come back', () => {
    expect(select(listOf(20))).toContain('/a.parquet')
    expect(() => select(listOf(21))).toThrow('column=deep levels=21 limit=20')
    expect(() =>
      select({ type: 'struct', fields: [{ id: 2, name: 'x', required: false, type: listOf(30) }] }),
    ).toThrow('nested too deeply')
  })
})
