import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lakeSchema } from './lake-settings.ts'
import { environmentName, leaves } from '../../settings/index.ts'
import { streamSchema } from '../../ingest/settings/index.ts'
import { aroundPropertyTable } from '../../tests/support/property-table.ts'

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
const { before, after } = aroundPropertyTable(page)
const rows = `${before}${after}`.split('\n').filter((line) => line.startsWith('| `'))

describe('docs/configuration.md', () => {
  it.each([...leaves(lakeSchema), ...leaves(streamSchema)])('has $path', (leaf) => {
    const key = leaf.path.join('.')
    const row = rows.find((line) => {
      const isOwn = line.startsWith(`| \`${key}\` |`)
      return isOwn && (leaf.defaultText === undefined || line.includes(`\`${leaf.defaultText}\``))
    })
    expect(row, `no row for ${key} with default ${leaf.defaultText}`).toBeDefined()
    if (key !== 'name') expect(row).toContain(`\`${environmentName(leaf.path)}\``)
  })

  it('names no key that does not exist', () => {
    const known = [...leaves(lakeSchema), ...leaves(streamSchema)].map(({ path }) => path.join('.'))
    const named = rows.map((line) => /^\| `([^`]+)`/.exec(line)?.[1] ?? '')
    expect(named.filter((key) => !known.includes(key))).toEqual([])
    expect(named).toHaveLength(known.length)
  })
})
