import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lakeProcedures } from './procedures.ts'
import { openLake } from './lake.ts'
import { parseLakeSettings } from './settings/index.ts'
import { variableSource } from '../settings/index.ts'

const page = readFileSync(new URL('../docs/procedures.md', import.meta.url), 'utf8')
const { settings } = parseLakeSettings({
  text: 'catalog: { warehouse: ./warehouse }\n',
  file: 'tidewater.yaml',
  variables: variableSource({}),
  overrides: [],
  directory: '/nowhere',
})
const procedures = lakeProcedures(await openLake(settings))

describe('docs/procedures.md', () => {
  it.each(procedures)('has the arguments and columns of $name in their order', (procedure) => {
    const section = page
      .split('\n## ')
      .find((part) => part.startsWith(`system.${procedure.name}\n`))
    const [, tableOfArguments = '', tableOfColumns = ''] = (section ?? '').split(
      /^\| (?:argument|column) .*\n\|---.*\n/m,
    )
    expect(rowsOf(tableOfArguments)).toEqual(
      Object.entries(procedure.arguments).map(([name, { isRequired, refusal, type }]) => [
        name,
        refusal === undefined ? `${type}${isRequired ? ', required' : ''}` : 'refused',
      ]),
    )
    expect(rowsOf(tableOfColumns)).toEqual(procedure.columns.map(({ name, type }) => [name, type]))
  })

  it('names no procedure that there is not', () => {
    const named = [...page.matchAll(/^## system\.(\w+)$/gm)].map(([, name]) => name)
    expect(named).toEqual(procedures.map(({ name }) => name))
  })
})

describe('lakeProcedures()', () => {
  it('has Spark’s output columns', () => {
    expect(procedures.map(({ columns }) => columns.map(({ name }) => name))).toEqual([
      [
        'rewritten_data_files_count',
        'added_data_files_count',
        'rewritten_bytes_count',
        'failed_data_files_count',
        'removed_delete_files_count',
      ],
      [
        'deleted_data_files_count',
        'deleted_position_delete_files_count',
        'deleted_equality_delete_files_count',
        'deleted_manifest_files_count',
        'deleted_manifest_lists_count',
        'deleted_statistics_files_count',
      ],
      ['orphan_file_location'],
      ['previous_snapshot_id', 'current_snapshot_id'],
    ])
  })
})

/** Name and type of the rows up to the first line that is none. */
function rowsOf(table: string): readonly (readonly string[])[] {
  const lines = table.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('| `'))
  return lines.slice(0, end).map((line) => {
    const [, name = '', type = ''] = /^\| `(\w+)` \| ([^|]+) \|/.exec(line) ?? []
    return [name, type.trim()]
  })
}
