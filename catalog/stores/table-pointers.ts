/**
 * The pointer objects of all tables: their locations, and reading them with renames settled.
 */
import { type Namespace, type TableIdentifier, formatIdentifier } from '../format/identifiers.ts'
import { CorruptDataError, NotFoundError, UnavailableError } from '../../common/index.ts'
import { encodeName, encodeNamespace } from './object-names.ts'
import { settleRename } from './rename-intent.ts'
import { SwapFolder, type SwapPlace } from './swap-folder.ts'
import type { SwapOutcome, SwapState, UnreadableHandler } from './swap-object.ts'
import { type TablePointer, tablePointerCodec } from './table-pointer.ts'

export type PointerState = SwapState<TablePointer>

const settlingsMax = 50

export class TablePointers {
  readonly #folder: SwapFolder<TablePointer>

  constructor(place: SwapPlace) {
    this.#folder = new SwapFolder(place, 'tables', tablePointerCodec)
  }

  /** The pointer, tombstones included, with no rename under way; undefined when there never was one. */
  async read(identifier: TableIdentifier): Promise<PointerState | undefined> {
    for (let round = 0; round < settlingsMax; round++) {
      const state = await this.readRaw(identifier)
      if (state?.payload.intent === undefined) return state
      await this.settle(state.payload)
    }
    throw new UnavailableError('other processes keep renaming the table; try again later', {
      facts: { table: formatIdentifier(identifier) },
    })
  }

  /** Throws NotFoundError for a table that does not exist or was dropped. */
  async readExisting(identifier: TableIdentifier): Promise<PointerState> {
    const state = await this.read(identifier)
    if (state !== undefined && !state.payload.dropped) return state
    throw new NotFoundError('the table does not exist', {
      facts: { table: formatIdentifier(identifier) },
    })
  }

  /** The pointer as it is, even in the middle of a rename. */
  async readRaw(identifier: TableIdentifier): Promise<PointerState | undefined> {
    const name = nameOf(identifier)
    const state = await this.#folder.read(name)
    if (state === undefined || sameIdentifier(state.payload.identifier, identifier)) return state
    // A file system that ignores case returns the pointer of another table.
    throw new CorruptDataError('the pointer belongs to another table', {
      facts: {
        object: this.#folder.locationOf(name),
        expected: formatIdentifier(identifier),
        actual: formatIdentifier(state.payload.identifier),
      },
    })
  }

  /** Tables of a namespace that exist, sorted by name. */
  async list(namespace: Namespace): Promise<readonly TableIdentifier[]> {
    const pointers = await this.#listExisting(folderOf(namespace))
    return pointers
      .map((pointer) => pointer.identifier)
      .sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  /** Tables of every namespace that exist. */
  listEverywhere(): Promise<readonly TablePointer[]> {
    return this.#listExisting('')
  }

  /**
   * An existing table of any namespace that `matches`. Only renames of such tables are settled, so damage to
   * others does no harm; `skip` is called for pointers that this release cannot read.
   */
  async find(
    matches: (pointer: TablePointer) => boolean,
    skip: UnreadableHandler,
  ): Promise<TablePointer | undefined> {
    const skipped = new Map<string, unknown>()
    const note = (location: string, error: unknown): void => void skipped.set(location, error)
    for (let round = 0; round < settlingsMax; round++) {
      const states = await this.#folder.objects.readMany(await this.#folder.list(''), note)
      const matching = states.map((state) => state.payload).filter(matches)
      const pending = matching.filter((pointer) => pointer.intent !== undefined)
      if (pending.length === 0) {
        for (const [location, error] of skipped) skip(location, error)
        return matching.find((pointer) => !pointer.dropped)
      }
      for (const pointer of pending) await this.settle(pointer)
    }
    throw renamedAllTheTime(this.#folder.location)
  }

  async #listExisting(prefix: string): Promise<readonly TablePointer[]> {
    for (let round = 0; round < settlingsMax; round++) {
      const states = await this.#folder.objects.readMany(await this.#folder.list(prefix))
      const pointers = states.map((state) => state.payload)
      const pending = pointers.filter((pointer) => pointer.intent !== undefined)
      if (pending.length === 0) return pointers.filter((pointer) => !pointer.dropped)
      // The end of a rename may be a pointer that this listing does not hold: list again.
      for (const pointer of pending) await this.settle(pointer)
    }
    throw renamedAllTheTime(this.#folder.location + prefix)
  }

  /** Replaces `base` (undefined: there was no pointer); see `SwapObject.swap`. */
  swap(
    base: PointerState | undefined,
    payload: TablePointer,
    policy = this.#folder.policy,
  ): Promise<SwapOutcome<TablePointer>> {
    return this.#folder.swap(nameOf(payload.identifier), base, payload, policy)
  }

  /** Brings the rename that a pointer is part of to its end. */
  settle(pointer: TablePointer): Promise<void> {
    return settleRename(
      {
        pointers: this.#folder.objects,
        locationOf: (identifier) => this.#folder.locationOf(nameOf(identifier)),
        policy: this.#folder.policy,
      },
      pointer,
    )
  }
}

/** The folder of a namespace's tables, below that of all tables. */
function folderOf(namespace: Namespace): string {
  return `${encodeNamespace(namespace)}/`
}

function nameOf({ namespace, name }: TableIdentifier): string {
  return `${folderOf(namespace)}${encodeName(name)}`
}

function renamedAllTheTime(folder: string): UnavailableError {
  return new UnavailableError('other processes keep renaming tables; try again later', {
    facts: { folder },
  })
}

function sameIdentifier(left: TableIdentifier, right: TableIdentifier): boolean {
  return (
    left.name === right.name &&
    left.namespace.length === right.namespace.length &&
    left.namespace.every((level, index) => level === right.namespace[index])
  )
}
