/**
 * Finds the rows that the engine refuses, by halving: a batch of a million rows with one bad row
 * costs about twenty tries, and only the refused rows are set aside.
 */
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RefusedColumnsError, type RefusedRow, type RowSpool } from '../../catalog/index.ts'
import { errorMessage } from '../../common/index.ts'

export interface SplitRows {
  /** The accepted rows, in new files. */
  readonly spools: readonly RowSpool[]
  readonly refused: readonly RefusedRow[]
}

/** True for an error about a value. A full disk or memory, or a stop, says nothing about any row. */
export function isRowFault(error: unknown): boolean {
  return /^(Invalid Input|Conversion|Out of Range) Error: /.test(errorMessage(error))
}

/** `accepts` returns the engine's error for a spool, or undefined when it takes all rows. */
export async function splitRefused(
  spools: readonly RowSpool[],
  directory: string,
  accepts: (spool: RowSpool) => Promise<string | undefined>,
): Promise<SplitRows> {
  const good: RowSpool[] = []
  const refused: RefusedRow[] = []
  for (const [index, spool] of spools.entries()) {
    const complaint = await accepts(spool)
    if (complaint === undefined) {
      good.push(spool)
      continue
    }
    if (spool.columns !== undefined) throw new RefusedColumnsError(new Error(complaint))
    const bytes = await readFile(spool.path)
    const ends = rowEnds(bytes)
    const bad = await badRows(bytes, ends, 0, ends.length, complaint, directory, accepts)
    for (const [row, reason] of bad) refused.push({ spool: index, row, reason })
    const kept = ends.map((_, row) => row).filter((row) => !bad.has(row))
    if (kept.length > 0) good.push(await writeRows(bytes, ends, kept, directory))
  }
  return { spools: good, refused }
}

async function badRows(
  bytes: Buffer,
  ends: readonly number[],
  from: number,
  to: number,
  complaint: string,
  directory: string,
  accepts: (spool: RowSpool) => Promise<string | undefined>,
): Promise<Map<number, string>> {
  if (to - from === 1) return new Map([[from, firstLine(complaint)]])
  const middle = (from + to) >> 1
  const bad = new Map<number, string>()
  for (const [start, end] of [
    [from, middle],
    [middle, to],
  ] as const) {
    const rows = Array.from({ length: end - start }, (_, offset) => start + offset)
    const half = await writeRows(bytes, ends, rows, directory)
    const halfComplaint = await accepts(half)
    if (halfComplaint === undefined) continue
    const badInHalf = await badRows(bytes, ends, start, end, halfComplaint, directory, accepts)
    for (const [row, reason] of badInHalf) bad.set(row, reason)
  }
  return bad
}

async function writeRows(
  bytes: Buffer,
  ends: readonly number[],
  rows: readonly number[],
  directory: string,
): Promise<RowSpool> {
  const parts = rows.map((row) => bytes.subarray(row === 0 ? 0 : (ends[row - 1] ?? 0), ends[row]))
  const path = join(directory, `${randomUUID()}.ndjson`)
  await writeFile(path, Buffer.concat(parts))
  return {
    path,
    rowCount: rows.length,
    sizeBytes: parts.reduce((sum, part) => sum + part.length, 0),
    rowBytesMax: parts.reduce((max, part) => Math.max(max, part.length), 0),
  }
}

/** Position after the newline of each row. */
function rowEnds(bytes: Buffer): number[] {
  const ends: number[] = []
  for (let pos = bytes.indexOf(0x0a); pos >= 0; pos = bytes.indexOf(0x0a, pos + 1))
    ends.push(pos + 1)
  return ends
}

/** The first line of the engine's error, without the file name in it. */
function firstLine(complaint: string): string {
  const line = complaint.split('\n')[0] ?? ''
  return line.replace(/JSON transform error in file "[^"]*", in (line|record\/value) \d+: /, '')
}
