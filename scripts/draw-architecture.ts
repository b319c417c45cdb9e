/**
 * `npx tsx scripts/draw-architecture.ts`: redraws the picture of folders and imports in
 * ARCHITECTURE.md from the code. tests/architecture fails while the two differ.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawArchitecture, withPicture } from '../tests/support/architecture-picture.ts'
import { readSources } from '../tests/support/import-graph.ts'
import { repositoryRoot } from '../tests/support/services/index.ts'

const file = join(repositoryRoot, 'ARCHITECTURE.md')
const before = existsSync(file) ? readFileSync(file, 'utf8') : '# Architecture\n'
const after = withPicture(before, drawArchitecture(readSources()))
if (after !== before) writeFileSync(file, after)
console.log(after === before ? 'ARCHITECTURE.md is up to date' : 'ARCHITECTURE.md redrawn')
