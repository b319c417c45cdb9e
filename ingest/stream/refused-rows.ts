/** Rows that the engine refused although they passed the decoder, read back from their spool files. */
import { readFile } from 'node:fs/promises'
import type { RefusedRow, RowSpool } from '../../catalog/index.ts'
import { assert } from '../../common/index.ts'

export interface RefusedLine {
  readonly line: Buffer
  readonly reason: string
}

/** In the order of the log, as far as one batch keeps it. */
export async function* refusedLines(
  spools: readonly RowSpool[],
  refused: readonly RefusedRow[],
): AsyncGenerator<RefusedLine> {
  for (const [index, spool] of spools.entries()) {
    const rows = refused.filter((row) => row.spool === index).sort((a, b) => a.row - b.row)
    if (rows.length === 0) continue
    const lines = splitLines(await readFile(spool.path))
    for (const { row, reason } of rows) {
      const line = lines[row]
      assert(line !== undefined, 'the engine refused a row that is not there')
      yield { line, reason }
    }
  }
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  return lines
}
