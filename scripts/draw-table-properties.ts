/**
 * `npx tsx scripts/draw-table-properties.ts`: redraws the table of table properties in
 * docs/configuration.md from catalog/table/properties.ts. A unit test fails while the two differ.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawTableProperties, withPropertyTable } from '../tests/support/property-table.ts'
import { repositoryRoot } from '../tests/support/services/index.ts'

const file = join(repositoryRoot, 'docs/configuration.md')
const before = readFileSync(file, 'utf8')
const after = withPropertyTable(before, drawTableProperties())
if (after !== before) writeFileSync(file, after)
console.log(after === before ? `${file} is up to date` : `${file} redrawn`)
