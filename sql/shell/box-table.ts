/** Rows in a box with names and types, shortened in the middle in both directions, as DuckDB's shell does. */
import type { ResultColumn } from '../session/query-result.ts'
import { displayWidth, pad, shorten } from './display-text.ts'

export interface BoxTable {
  readonly columns: readonly ResultColumn[]
  /** Cells as they are to be printed, the first rows and the last. */
  readonly head: readonly (readonly string[])[]
  readonly tail: readonly (readonly string[])[]
  readonly rowCount: number
  /** Columns of the terminal; undefined: as wide as needed. */
  readonly widthMax: number | undefined
}

const numeric = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL)/
const cellWidthMin = 6
const cellWidthMax = 60

export function boxTable(table: BoxTable): string {
  if (table.columns.length === 0) return ''
  const shown = fitColumns(table)
  const cut = table.rowCount > table.head.length + table.tail.length
  const line = (left: string, middle: string, right: string): string =>
    left + shown.map(({ width }) => '─'.repeat(width + 2)).join(middle) + right
  const row = (cells: readonly string[]): string => `│${cells.join('│')}│`
  const lines = [
    line('┌', '┬', '┐'),
    row(shown.map(({ name, width }) => ` ${pad(shorten(name, width), width, 'center')} `)),
    row(shown.map(({ type, width }) => ` ${pad(shorten(type, width), width, 'center')} `)),
    line('├', '┼', '┤'),
  ]
  const addRows = (rows: readonly (readonly string[])[]): void => {
    for (const cells of rows) {
      lines.push(
        row(
          shown.map(({ index, width, align }) => {
            const text = index === undefined ? '…' : (cells[index] ?? '')
            return ` ${pad(shorten(text, width), width, align)} `
          }),
        ),
      )
    }
  }
  addRows(table.head)
  if (cut) {
    for (let dot = 0; dot < 3; dot++) {
      lines.push(row(shown.map(({ width, align }) => ` ${pad('·', width, align)} `)))
    }
  }
  addRows(table.tail)
  lines.push(line('└', '┴', '┘'))
  return `${lines.join('\n')}\n`
}

interface ShownColumn {
  /** Undefined for the column that marks where others were left out. */
  readonly index: number | undefined
  readonly name: string
  readonly type: string
  readonly width: number
  readonly align: 'left' | 'right'
}

function fitColumns(table: BoxTable): readonly ShownColumn[] {
  const columns = table.columns.map((column, index): ShownColumn => {
    const type = column.type.toLowerCase()
    const cells = [...table.head, ...table.tail].map((row) => displayWidth(row[index] ?? ''))
    const widest = cells.reduce((most, width) => Math.max(most, width), 0)
    const titles = Math.max(displayWidth(column.name), Math.min(displayWidth(type), 20))
    return {
      index,
      name: column.name,
      type,
      width: Math.max(1, Math.min(cellWidthMax, Math.max(widest, titles))),
      align: numeric.test(column.type) ? 'right' : 'left',
    }
  })
  const { widthMax } = table
  if (widthMax === undefined) return columns
  const narrowed = narrow(columns, widthMax)
  return totalWidth(narrowed) <= widthMax ? narrowed : dropMiddle(narrowed, widthMax)
}

/** Takes width from the widest columns first. */
function narrow(columns: readonly ShownColumn[], widthMax: number): readonly ShownColumn[] {
  const widths = columns.map(({ width }) => width)
  let excess = totalWidth(columns) - widthMax
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= cellWidthMin) break
    const next = Math.max(cellWidthMin, ...widths.filter((width) => width < widest))
    for (let index = 0; index < widths.length && excess > 0; index++) {
      if (widths[index] !== widest) continue
      const taken = Math.min(widest - next, excess)
      widths[index] = widest - taken
      excess -= taken
    }
  }
  return columns.map((column, index) => ({ ...column, width: widths[index] ?? column.width }))
}

function dropMiddle(columns: readonly ShownColumn[], widthMax: number): readonly ShownColumn[] {
  const gap: ShownColumn = { index: undefined, name: '…', type: '', width: 1, align: 'left' }
  let keep = columns.length - 1
  let shown: readonly ShownColumn[] = columns
  while (keep >= 1) {
    const before = Math.ceil(keep / 2)
    const after = keep - before
    shown = [...columns.slice(0, before), gap, ...columns.slice(columns.length - after)]
    if (totalWidth(shown) <= widthMax) break
    keep--
  }
  return shown
}

function totalWidth(columns: readonly { readonly width: number }[]): number {
  return columns.reduce((sum, { width }) => sum + width + 3, 1)
}
