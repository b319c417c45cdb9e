/** The table of table properties in docs/configuration.md, drawn from the registry. */
import { tableProperties, type TableProperty } from '../../catalog/table/index.ts'

const start = '<!-- drawn by scripts/draw-table-properties.ts: start -->'
const end = '<!-- drawn by scripts/draw-table-properties.ts: end -->'

export function drawTableProperties(): string {
  const rows = Object.values<TableProperty<unknown>>(tableProperties).map((property) => {
    const { name, syntax, defaultText, doc, actor } = property
    const cells = [`\`${name}\``, defaultText, syntax.expected, doc, actor]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '| property | default | must be | what it does | who acts |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** The page with the table between its markers. */
export function withPropertyTable(page: string, table: string): string {
  const { before, after } = aroundPropertyTable(page)
  return `${before}${start}\n\n${table}\n\n${end}${after}`
}

/** What stands before and after the table. */
export function aroundPropertyTable(page: string): {
  readonly before: string
  readonly after: string
} {
  const from = page.indexOf(start)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`the page lacks "${start}" and "${end}"`)
  return { before: page.slice(0, from), after: page.slice(to + end.length) }
}
