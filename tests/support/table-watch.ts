/**
 * A table looked at again and again in its bucket, past every server: what expiry removes later was seen,
 * and every state in between can be judged.
 */
import { currentSnapshot, type Snapshot } from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import type { Clock } from '../../common/index.ts'
import { restoreOffsets } from '../../ingest/index.ts'

export interface TableLook {
  readonly atMs: number
  /** Snapshots that the table holds, files and rows of its newest one. */
  readonly snapshots: number
  readonly files: number
  readonly rows: number
  /** Sum of the next offsets of all partitions, by the table and by the newest snapshot's own summary. */
  readonly offsets: number
}

export class TableWatch {
  readonly #load: () => Promise<Table | undefined>
  readonly #clock: Clock
  readonly #seen = new Map<bigint, Snapshot>()
  readonly looks: TableLook[] = []
  #held: ReadonlySet<bigint> = new Set()

  /** `load`: undefined while there is no table. */
  constructor(load: () => Promise<Table | undefined>, clock: Clock) {
    this.#load = load
    this.#clock = clock
  }

  /** Every snapshot that there ever was at a look, oldest first. */
  get seen(): readonly Snapshot[] {
    return [...this.#seen.values()].sort((a, b) => Number(a.sequenceNumber - b.sequenceNumber))
  }

  /** Those that the last look did not find any more. */
  get gone(): readonly Snapshot[] {
    return this.seen.filter(({ snapshotId }) => !this.#held.has(snapshotId))
  }

  count(operation: string): number {
    return this.seen.filter(({ summary }) => summary?.operation === operation).length
  }

  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look()
      await this.#clock.sleep(everyMs)
    }
  }

  async look(): Promise<void> {
    const table = await this.#load()
    const snapshot = table === undefined ? undefined : currentSnapshot(table.metadata)
    if (table === undefined || snapshot === undefined) return
    const { snapshots } = table.metadata
    for (const each of snapshots) this.#seen.set(each.snapshotId, each)
    this.#held = new Set(snapshots.map(({ snapshotId }) => snapshotId))
    this.looks.push({
      atMs: this.#clock.monotonic(),
      snapshots: snapshots.length,
      files: Number(snapshot.summary?.['total-data-files']),
      rows: Number(snapshot.summary?.['total-records']),
      offsets: sumOfOffsets(table),
    })
  }
}

function sumOfOffsets(table: Table): number {
  let sum = 0n
  for (const { topics } of restoreOffsets(table, 'main').values()) {
    for (const { nextOffsets } of topics.values()) {
      for (const offset of nextOffsets.values()) sum += offset
    }
  }
  return Number(sum)
}
