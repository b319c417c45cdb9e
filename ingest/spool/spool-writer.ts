/**
 * Two buffers by turns: while one is written to its file the other takes the next rows, so that the
 * scanner never waits for the disk unless the disk is slower than it is.
 */
import { open } from 'node:fs/promises'
import type { RowSpool } from '../../catalog/index.ts'
import { openRowBuffer } from './open-row-buffer.ts'
import type { RowBuffer, RowFormat } from './row-buffer.ts'

/** A spool whose file may still be on its way to the disk. */
export interface PendingSpool extends RowSpool {
  /** Resolves when the file is whole; rejects when it could not be written. */
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

  /** True when rows of another format wait: they have to be written before `rows` is asked for. */
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

  /** Begins to write the rows to a file at `path` (plus its extension), once the one before is written. */
  async write(path: string): Promise<PendingSpool> {
    await this.#writing
    const full = this.#current
    const format = this.#format
    if (full === undefined || format === undefined) throw new Error('assertion failed: no rows')
    this.#current = this.#other ?? openRowBuffer(format)
    this.#other = full
    const content = full.content()
    const { rowCount, rowBytesMax, columns } = full
    const file = `${path}.${full.extension}`
    const written = writeParts(file, content).finally(() => full.clear())
    // Whoever reads the spool is told; the next spool may be written all the same.
    this.#writing = written.catch(() => undefined)
    return {
      path: file,
      rowCount,
      sizeBytes: content.reduce((sum, part) => sum + part.length, 0),
      rowBytesMax,
      ...(columns === undefined ? {} : { columns }),
      written,
    }
  }

  /** Forgets the rows that no spool holds. */
  async clear(): Promise<void> {
    await this.#writing
    this.#current?.clear()
  }
}

/** In one call: each further one would wait until the thread that scans has a moment. */
async function writeParts(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w')
  try {
    let rest = parts.filter((part) => part.length > 0)
    while (rest.length > 0) {
      const { bytesWritten } = await file.writev(rest.slice(0, writevPartsMax))
      rest = behind(rest, bytesWritten)
    }
  } finally {
    await file.close()
  }
}

/** The least that POSIX systems allow in practice. */
const writevPartsMax = 1024

function behind(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return parts.flatMap((part) => {
    const taken = Math.min(left, part.length)
    left -= taken
    return taken === part.length ? [] : [part.subarray(taken)]
  })
}
