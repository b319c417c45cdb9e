/** The picture in ARCHITECTURE.md shows the imports that the code has. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { drawArchitecture, withPicture } from '../support/architecture-picture.ts'
import { readSource, readSources } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'

describe('the picture in ARCHITECTURE.md', () => {
  it('is the one that scripts/draw-architecture.ts draws now', () => {
    const document = readFileSync(join(repositoryRoot, 'ARCHITECTURE.md'), 'utf8')
    const redrawn = withPicture(document, drawArchitecture(readSources()))
    const remedy = 'run: npx tsx scripts/draw-architecture.ts'
    expect(document, remedy).toBe(redrawn)
  })

  it('draws arrows from importers, without those that others imply', () => {
    const picture = drawArchitecture([
      readSource('common/index.ts', '/** common: Tools. More. */'),
      readSource('io/index.ts', "import { a } from '../common/index.ts'\nimport 'zod'"),
      readSource('catalog/index.ts', "import { a } from '../io/index.ts'"),
      readSource(
        'sql/index.ts',
        "/**\n * Queries | answers.\n */\nimport { a } from '../io/index.ts'\nimport { b } from '../catalog/index.ts'",
      ),
      readSource('sql/a.test.ts', "import { a } from '../ingest/index.ts'"),
    ])
    expect(picture).toContain('graph TD')
    expect(picture.match(/\w+ --> \w+/g)).toEqual(['sql --> catalog', 'catalog --> io'])
    expect(picture).toContain('| `common/` | Tools. | – | – | – |')
    expect(picture).toContain('| `io/` |  | common | – | zod |')
    expect(picture).toContain('| `sql/` | Queries \\| answers. | io, catalog | common | – |')
  })

  it('stands between its markers and leaves the rest alone', () => {
    const first = withPicture('# Title\n', 'one')
    const second = withPicture(`${first}\nafter\n`, 'two')
    expect(second).toMatch(/^# Title\n\n<!--[^>]*-->\n\ntwo\n\n<!--[^>]*-->\n\nafter\n$/)
  })
})
