/** Which folder may know which: the layer rule of ARCHITECTURE.md, held on the code itself. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  deadDoorNames,
  doorNames,
  folderGraph,
  isDoor,
  knotComplaints,
  mutualPairs,
  nameEdges,
} from '../support/folder-graph.ts'
import { productFolders, readSource, readSources } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'
import {
  ambientComplaints,
  doorComplaints,
  layerComplaints,
  packageComplaints,
  starExportComplaints,
} from './import-rules.ts'

const sources = readSources()

describe('imports', () => {
  it('are found in the code at all', () => {
    expect(sources.length).toBeGreaterThan(50)
    const edges = sources.flatMap((source) => source.imports)
    expect(edges.filter((edge) => edge.target !== undefined).length).toBeGreaterThan(100)
    const dangling = sources
      .filter((source) => !source.isTest) // Tests quote imports.
      .flatMap((source) =>
        source.imports
          .filter(({ target }) => target !== undefined && !existsSync(join(repositoryRoot, target)))
          .map(({ specifier, line }) => `${source.path}:${line} -> ${specifier}`),
      )
    expect(dangling).toEqual([])
  })

  it('go one way through the layers', () => {
    expect(layerComplaints(sources)).toEqual([])
  })

  it('go through the door of a folder, its index.ts', () => {
    expect(doorComplaints(sources)).toEqual([])
  })

  it('find a list of names at the door, no `export *`', () => {
    expect(starExportComplaints(sources)).toEqual([])
  })

  it('reach a vendor package from one folder only', () => {
    expect(packageComplaints(sources)).toEqual([])
  })

  it('leave time, chance and the environment to their components', () => {
    expect(ambientComplaints(sources)).toEqual([])
  })

  it('meet a door in every folder that has code', () => {
    const withoutDoor = productFolders.filter(
      (folder) =>
        folder !== 'bin' &&
        sources.some((source) => source.topFolder === folder) &&
        !sources.some((source) => source.path === `${folder}/index.ts`),
    )
    expect(withoutDoor).toEqual([])
  })
})

describe('folders', () => {
  const edges = nameEdges(sources)
  const everyDepth = folderGraph(edges, Number.POSITIVE_INFINITY)

  it('are all there, with a use of most', () => {
    expect(everyDepth.size).toBeGreaterThan(50)
    expect([...everyDepth.values()].filter((uses) => uses.size > 0).length).toBeGreaterThan(40)
  })

  it('are in no knot, at any depth', () => {
    expect(knotComplaints(edges)).toEqual([])
  })

  it('never import each other', () => {
    expect(mutualPairs(everyDepth)).toEqual([])
  })

  it('offer at their door what others import, and nothing else', () => {
    const doors = sources.filter((source) => isDoor(source.path))
    expect(doors.flatMap(doorNames).length).toBeGreaterThan(200)
    expect(deadDoorNames(sources)).toEqual([])
  })
})

describe('the folder rules', () => {
  const files = (texts: Readonly<Record<string, string>>) =>
    Object.entries(texts).map(([path, text]) => readSource(path, text))

  it('look through doors, whatever name they give', () => {
    const edges = nameEdges(
      files({
        'sql/text/a.ts': 'export const a = 1',
        'sql/index.ts': "export { a as first } from './text/a.ts'",
        'server/b.ts': "import { first as other } from '../sql/index.ts'",
      }),
    )
    expect(edges).toEqual([{ from: 'server/b.ts', to: 'sql/text/a.ts', name: 'first' }])
  })

  it('name the imports of a knot of three folders, and of a pair', () => {
    const edges = nameEdges(
      files({
        'sql/a/a.ts': "import { b } from '../b/b.ts'",
        'sql/b/b.ts': "import { c } from '../c/c.ts'",
        'sql/c/c.ts': "import type { a } from '../a/a.ts'",
      }),
    )
    expect(knotComplaints(edges)).toEqual([
      'sql/a, sql/b, sql/c: sql/a/a.ts -> sql/b/b.ts (b); sql/b/b.ts -> sql/c/c.ts (c); sql/c/c.ts -> sql/a/a.ts (a)',
    ])
    expect(mutualPairs(folderGraph(edges, 2))).toEqual([])
    const pair = nameEdges(
      files({
        'sql/a/a.ts': "const { b } = await import('../b/b.ts')",
        'sql/b/b.ts': "export { a } from '../a/a.ts'",
      }),
    )
    expect(mutualPairs(folderGraph(pair, 2))).toEqual([
      'sql/a <-> sql/b: sql/a/a.ts -> sql/b/b.ts (b); sql/b/b.ts -> sql/a/a.ts (a)',
    ])
  })

  it('see a knot of folders that lie at different depths', () => {
    const edges = nameEdges(
      files({
        'io/open.ts': "import { x } from './s3/x.ts'",
        'io/s3/x.ts': "import { seam } from '../seam.ts'",
      }),
    )
    expect(knotComplaints(edges)).toHaveLength(1)
  })

  it('leave tests out of the graph, but let them keep a name at a door', () => {
    const sources = files({
      'io/index.ts': "export { a, type B as C } from './a.ts'\nexport { d }",
      'io/a.test.ts': "import { d } from './index.ts'",
      'tests/e2e/b.test.ts': "import { type C } from '../../io/index.ts'",
    })
    expect(nameEdges(sources)).toEqual([])
    expect(deadDoorNames(sources)).toEqual([
      'io/index.ts: nobody outside imports a',
      'io/index.ts: nobody outside imports d',
    ])
  })
})

describe('the import rules', () => {
  const complain = (rule: typeof layerComplaints, path: string, text: string): readonly string[] =>
    rule([readSource(path, text)])

  it('name the edge that breaks the layers', () => {
    expect(complain(layerComplaints, 'io/a.ts', "import { x } from '../catalog/index.ts'")).toEqual(
      ['io/a.ts:1 -> catalog/index.ts: io may import common'],
    )
    const sideways = "\nexport type {\n  X,\n} from '../ingest/index.ts'"
    expect(complain(layerComplaints, 'sql/a.ts', sideways)).toEqual([
      'sql/a.ts:4 -> ingest/index.ts: sql may import common, io, catalog',
    ])
    const lazy = "const x = await import('../tests/support/x.ts')"
    expect(complain(layerComplaints, 'app/a.ts', lazy)).toEqual([
      'app/a.ts:1 -> tests/support/x.ts: product code may not import tests/',
    ])
    const fine = "import { x } from '../common/index.ts'\nimport { y } from './y.ts'"
    expect(complain(layerComplaints, 'io/a.ts', fine)).toEqual([])
  })

  it('let a test beside the code use the support of tests, but no higher layer', () => {
    const support = "import { x } from '../tests/support/x.ts'"
    expect(complain(layerComplaints, 'io/a.test.ts', support)).toEqual([])
    const upwards = "import { x } from '../sql/index.ts'"
    expect(complain(layerComplaints, 'io/a.test.ts', upwards)).toHaveLength(1)
  })

  it('see an import past the door and a door without a list', () => {
    const past = "import { x } from '../../io/s3/client.ts'"
    expect(complain(doorComplaints, 'catalog/stores/a.ts', past)).toEqual([
      'catalog/stores/a.ts:1 -> io/s3/client.ts: import io/index.ts instead',
    ])
    const part = "import { x } from '../ingest/settings/index.ts'"
    expect(complain(doorComplaints, 'cli/a.ts', part)).toEqual([])
    expect(complain(starExportComplaints, 'io/index.ts', "export * from './a.ts'")).toHaveLength(1)
  })

  it('see a vendor package outside its folder', () => {
    const duckdb = "import { DuckDBInstance } from '@duckdb/node-api'"
    expect(complain(packageComplaints, 'sql/a.ts', duckdb)).toEqual([])
    expect(complain(packageComplaints, 'ingest/a.ts', duckdb)).toHaveLength(1)
    expect(complain(packageComplaints, 'sql/a.ts', "import 'left-pad/index.js'")).toEqual([
      'sql/a.ts:1 -> left-pad: name its owner in import-rules.ts',
    ])
  })

  it('see time, chance and the environment where they may not be', () => {
    for (const text of [
      'Date.now()',
      'new Date()',
      'setTimeout(f, 1)',
      "import { setTimeout } from 'node:timers/promises'",
      'Math.random()',
      "import { randomUUID } from 'node:crypto'",
      "process.env['X']",
    ]) {
      expect(complain(ambientComplaints, 'io/a.ts', text), text).toHaveLength(1)
    }
    expect(complain(ambientComplaints, 'io/a.ts', 'new Date(ms) // not Date.now()')).toEqual([])
  })

  it('take comments for comments and strings for strings', () => {
    const text = [
      "/* import { x } from '../sql/index.ts' */",
      "// import '../sql/index.ts'",
      "const url = 'http://x' // Math.random()",
      'const pattern = /[\'"]/',
      "import { y } from '../sql/index.ts'",
    ].join('\n')
    expect(complain(layerComplaints, 'io/a.ts', text)).toHaveLength(1)
    expect(complain(ambientComplaints, 'io/a.ts', text)).toEqual([])
  })
})
