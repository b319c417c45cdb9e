/**
 * Two buffers in turn: while one is written to its file the other takes the next rows, so that the scanner
 * waits for the disk only when the disk is slower.
 */
import { open } from 'node:fs/promises'
import type { RowSpool } from '../../catalog/index.ts'
import { openRowBuffer } from './open-row-buffer.ts'
import type { RowBuffer, RowFormat } from './row-buffer.ts'

/** A spool whose file may still be being written. */
export interface PendingSpool extends RowSpool {
  /** Resolves when the file is complete; rejects when it could not be written. */
  readonly written: Promise<void>
}

export class SpoolWriter {
  #format: RowFormat | undefined
  #current: RowBuffer | undefined
  #other: RowBuffer | undefined
  #writing: Promise<void> = Promise.resolve()

  get rowCount(): number {
    return this.#current?.rowCount ?? 0
  }

  get isFull(): boolean {
    return this.#current?.isFull ?? false
  }

  /** True when rows of another format are buffered, which have to be written before `rows` is called. */
  isBusyWithOther(format: RowFormat): boolean {
    return format !== this.#format && this.rowCount > 0
  }

  /** Takes rows of this format until the next `write`. */
  rows(format: RowFormat): RowBuffer {
    if (format !== this.#format || this.#current === undefined) {
      if (this.rowCount > 0) throw new Error('assertion failed: rows of another format wait')
      this.#format = format
      this.#current = openRowBuffer(format)
      this.#other = undefined
    }
    return this.#current
  }

  /** Begins to write the rows to a file at `path` (plus its extension), once the file before is written. */
  async write(path: string): Promise<PendingSpool> {
    await this.#writing
    const full = this.#current
    const format = this.#format
    if (full === undefined || format === undefined) throw new Error('assertion failed: no rows')
    this.#current = this.#other ?? openRowBuffer(format)
    this.#other = full
    const content = full.content()
    const { rowCount, rowBytesMax, columns, layout } = full
    const file = `${path}.${full.extension}`
    const written = writeParts(file, content).finally(() => full.clear())
    // The reader of this spool gets the failure from `written`; the next spool can still be written.
    this.#writing = written.catch(() => undefined)
    return {
      path: file,
      rowCount,
      sizeBytes: content.reduce((sum, part) => sum + part.length, 0),
      rowBytesMax,
      ...(columns === undefined ? {} : { columns }),
      ...(layout === undefined ? {} : { layout }),
      written,
    }
  }

  /** Drops the rows that are in no spool. */
  async clear(): Promise<void> {
    await this.#writing
    this.#current?.clear()
  }
}

/** In one call, because each further one would have to wait for the thread that scans. */
async function writeParts(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w')
  try {
    let rest = parts.filter((part) => part.length > 0)
    while (rest.length > 0) {
      const { bytesWritten } = await file.writev(rest.slice(0, writevPartsMax))
      rest = afterBytes(rest, bytesWritten)
    }
  } finally {
    await file.close()
  }
}

/** POSIX systems allow at least this many in practice. */
const writevPartsMax = 1024

function afterBytes(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return parts.flatMap((part) => {
    const taken = Math.min(left, part.length)
    left -= taken
    return taken === part.length ? [] : [part.subarray(taken)]
  })
}
