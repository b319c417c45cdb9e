import { describe, expect, test } from 'vitest'
import { ValidationError } from '../common/index.ts'
import { bucketPolicy, rolePolicy, storeRoles } from './policies.ts'

const scope = { bucket: 'lake', prefix: 'warehouse' }

describe('rolePolicy()', () => {
  test('[IO23] gives delete to the sweeper alone and writing to all but the reader', () => {
    const has = (action: string): string[] =>
      storeRoles.filter((role) => JSON.stringify(rolePolicy(role, scope)).includes(action))
    expect(has('s3:DeleteObject')).toEqual(['sweeper'])
    expect(has('s3:PutObject')).toEqual(['ingest', 'sweeper'])
    expect(has('s3:GetObject')).toEqual(['ingest', 'reader', 'sweeper'])
    expect(has('s3:*')).toEqual([])
    expect(has('Principal')).toEqual([])
  })

  test('[IO23] is bound to the prefix, for objects and for listings', () => {
    const text = JSON.stringify(rolePolicy('reader', scope))
    expect(text).toContain('"arn:aws:s3:::lake/warehouse/*"')
    expect(text).toContain('"s3:prefix":["warehouse","warehouse/*"]')
    expect(text).not.toContain('arn:aws:s3:::lake/*')
    expect(JSON.stringify(rolePolicy('reader', { bucket: 'lake', prefix: '' }))).toContain(
      'arn:aws:s3:::lake/*',
    )
  })

  test('[IO23] refuses names that a policy would read as a pattern or a way out', () => {
    for (const prefix of ['a*', 'a?b', '${aws:username}', '/a', 'a/', 'a/../b', 'a//b', '..']) {
      expect(() => rolePolicy('reader', { bucket: 'lake', prefix })).toThrow(ValidationError)
    }
    for (const bucket of ['*', 'Lake', 'a', 'a/b', '']) {
      expect(() => rolePolicy('reader', { bucket, prefix: 'w' })).toThrow(ValidationError)
    }
  })
})

describe('bucketPolicy()', () => {
  test('[IO23] grants each principal its own role and nobody else anything', () => {
    const ingest = 'arn:aws:iam::123456789012:role/ingest'
    const { Statement } = bucketPolicy(scope, { ingest: [ingest] })
    expect(Statement.map((one) => one.Principal)).toEqual([
      { AWS: [ingest] },
      { AWS: [ingest] },
      { AWS: [ingest] },
    ])
    expect(JSON.stringify(Statement)).not.toContain('DeleteObject')
    expect(bucketPolicy(scope, {}).Statement).toEqual([])
  })
})
