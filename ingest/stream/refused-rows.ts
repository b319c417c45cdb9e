/**
 * Dead letters for rows that the engine refused although the scanner let them pass: with strict
 * coercion a safety net, with lenient coercion the ordinary way.
 */
import { readFile } from 'node:fs/promises'
import { ValidationError } from '../../common/index.ts'
import type { DeadLetter } from '../dead-letter/dead-letter.ts'
import type { MicroBatch } from './batch.ts'

interface Refused {
  readonly spool: number
  readonly row: number
  readonly reason: string
}

/** Finds each refused row in its spool file and takes its place in the log from the row itself. */
export async function* refusedLetters(
  batch: MicroBatch,
  refused: readonly Refused[],
): AsyncGenerator<DeadLetter> {
  for (const [index, spool] of batch.spools.entries()) {
    const rows = refused.filter((row) => row.spool === index)
    if (rows.length === 0) continue
    const lines = splitLines(await readFile(spool.path))
    for (const { row, reason } of rows) {
      const line = lines[row]
      if (line === undefined)
        throw new ValidationError('the engine refused a row that is not there')
      yield batch.letterOfRow(line, reason)
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
