/**
 * Neighbouring updates that one can do the work of. Java removes eight thousand snapshots by as many
 * updates, and each of them would copy the list of those that stay.
 */
import type { TableUpdate } from './update.ts'

/** Fewer updates with the same outcome, in the same order. */
export function mergeUpdates(updates: readonly TableUpdate[]): readonly TableUpdate[] {
  const merged: TableUpdate[] = []
  let run: Run | undefined
  for (const update of updates) {
    if (run?.add(update) === true) continue
    if (run !== undefined) merged.push(...run.updates())
    run = beginRun(update)
    if (run === undefined) merged.push(update)
  }
  if (run !== undefined) merged.push(...run.updates())
  return merged
}

/** Updates that are gathered. */
interface Run {
  /** False for an update that does not belong here. */
  add(update: TableUpdate): boolean
  updates(): readonly TableUpdate[]
}

function beginRun(update: TableUpdate): Run | undefined {
  const run = newRun(update)
  run?.add(update)
  return run
}

function newRun({ action }: TableUpdate): Run | undefined {
  if (action === 'remove-snapshots') return new SnapshotRemoval()
  if (action === 'set-properties') return new PropertyChange()
  return action === 'remove-properties' ? new PropertyRemoval() : undefined
}

/** Statistics go along with their snapshots, so that those of Java's updates that say so are not needed. */
class SnapshotRemoval implements Run {
  readonly #ids = new Set<bigint>()
  readonly #others: TableUpdate[] = []

  add(update: TableUpdate): boolean {
    switch (update.action) {
      case 'remove-snapshots':
        for (const id of update.snapshotIds) this.#ids.add(id)
        return true
      case 'remove-statistics':
      case 'remove-partition-statistics':
        if (!this.#ids.has(update.snapshotId)) this.#others.push(update)
        return true
      default:
        return false
    }
  }

  updates(): readonly TableUpdate[] {
    return [{ action: 'remove-snapshots', snapshotIds: [...this.#ids] }, ...this.#others]
  }
}

class PropertyChange implements Run {
  readonly #entries = new Map<string, string>()

  add(update: TableUpdate): boolean {
    if (update.action !== 'set-properties') return false
    for (const [key, value] of Object.entries(update.updates)) this.#entries.set(key, value)
    return true
  }

  updates(): readonly TableUpdate[] {
    return [{ action: 'set-properties', updates: Object.fromEntries(this.#entries) }]
  }
}

class PropertyRemoval implements Run {
  readonly #keys = new Set<string>()

  add(update: TableUpdate): boolean {
    if (update.action !== 'remove-properties') return false
    for (const key of update.removals) this.#keys.add(key)
    return true
  }

  updates(): readonly TableUpdate[] {
    return [{ action: 'remove-properties', removals: [...this.#keys] }]
  }
}
