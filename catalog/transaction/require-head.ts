/** Refuses a base whose branch has moved on: the other changes of the transaction were computed from all of its rows. */
import type { Table } from '../catalog.ts'
import type { ActionCommit, MetadataAction } from './action.ts'
import { ConflictError } from './conflict-error.ts'

export class RequireHead implements MetadataAction {
  readonly #branch: string
  readonly #snapshotId: bigint | undefined

  /** `snapshotId`: undefined where the branch had no snapshot. */
  constructor(branch: string, snapshotId: bigint | undefined) {
    this.#branch = branch
    this.#snapshotId = snapshotId
  }

  // A base that is refused rejects, as every failure of an action does.
  async commit({ metadata }: Table): Promise<ActionCommit> {
    const head = metadata.refs[this.#branch]?.snapshotId
    if (head !== this.#snapshotId) {
      throw new ConflictError('the branch has moved on since its rows were read', [], {
        branch: this.#branch,
        expected: this.#snapshotId,
        head,
      })
    }
    return {
      requirements: [
        {
          type: 'assert-ref-snapshot-id',
          ref: this.#branch,
          snapshotId: this.#snapshotId ?? null,
        },
      ],
      updates: [],
    }
  }
}
