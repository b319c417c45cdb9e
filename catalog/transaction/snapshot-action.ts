/** What the actions that end in a snapshot share: the producer of the snapshot, and what the retry loop asks of it. */
import type { Table } from '../catalog.ts'
import type { ActionCommit, FileAction } from './action.ts'
import {
  type PreparedSnapshot,
  type SnapshotOptions,
  SnapshotProducer,
  type SnapshotTools,
} from './snapshot-producer.ts'

export abstract class SnapshotAction<Prepared extends PreparedSnapshot>
  implements FileAction<Prepared>
{
  protected readonly producer: SnapshotProducer

  constructor(tools: SnapshotTools, options: SnapshotOptions) {
    this.producer = new SnapshotProducer(tools, options)
  }

  abstract prepare(table: Table): Promise<Prepared>

  abstract commit(base: Table, prepared: Prepared): Promise<ActionCommit | 'stale'>

  committedIn(base: Table, prepared: Prepared): boolean {
    return this.producer.committedIn(base, prepared)
  }

  discard(committed: Table | undefined): Promise<void> {
    return this.producer.discard(committed)
  }
}
