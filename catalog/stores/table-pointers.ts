/**
 * The pointer objects of all tables: their locations, and reading them with renames settled.
 */
import { type Namespace, type TableIdentifier, formatIdentifier } from '../format/identifiers.ts'
import {
  CorruptDataError,
  NotFoundError,
  type RetryPolicy,
  UnavailableError,
  ValidationError,
} from '../../common/index.ts'
import { catalogFolder, encodeName, encodeNamespace } from './object-names.ts'
import { settleRename } from './rename-intent.ts'
import {
  SwapObject,
  type SwapOutcome,
  type SwapState,
  type SwapTools,
  type UnreadableHandler,
} from './swap-object.ts'
import { type TablePointer, tablePointerCodec } from './table-pointer.ts'

export type PointerState = SwapState<TablePointer>

const tablesMax = 100_000
const settlingsMax = 50

export class TablePointers {
  readonly #tools: SwapTools
  readonly #objects: SwapObject<TablePointer>
  readonly #folder: string
  readonly #policy: RetryPolicy

  constructor(tools: SwapTools, warehouse: string, policy: RetryPolicy) {
    this.#tools = tools
    this.#objects = new SwapObject(tools, tablePointerCodec)
    this.#folder = `${warehouse}/${catalogFolder}/tables/`
    this.#policy = policy
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
    const location = this.#locationOf(identifier)
    const state = await this.#objects.read(location)
    if (state === undefined || sameIdentifier(state.payload.identifier, identifier)) return state
    // A file system that ignores case returns the pointer of another table.
    throw new CorruptDataError('the pointer belongs to another table', {
      facts: {
        object: location,
        expected: formatIdentifier(identifier),
        actual: formatIdentifier(state.payload.identifier),
      },
    })
  }

  /** Tables of a namespace that exist, sorted by name. */
  async list(namespace: Namespace): Promise<readonly TableIdentifier[]> {
    const pointers = await this.#listExisting(this.#folderOf(namespace))
    return pointers
      .map((pointer) => pointer.identifier)
      .sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  /** Tables of every namespace that exist. */
  listEverywhere(): Promise<readonly TablePointer[]> {
    return this.#listExisting(this.#folder)
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
      const states = await this.#objects.readMany(await this.#listLocations(this.#folder), note)
      const matching = states.map((state) => state.payload).filter(matches)
      const pending = matching.filter((pointer) => pointer.intent !== undefined)
      if (pending.length === 0) {
        for (const [location, error] of skipped) skip(location, error)
        return matching.find((pointer) => !pointer.dropped)
      }
      for (const pointer of pending) await this.settle(pointer)
    }
    throw renamedAllTheTime(this.#folder)
  }

  async #listExisting(folder: string): Promise<readonly TablePointer[]> {
    for (let round = 0; round < settlingsMax; round++) {
      const states = await this.#objects.readMany(await this.#listLocations(folder))
      const pointers = states.map((state) => state.payload)
      const pending = pointers.filter((pointer) => pointer.intent !== undefined)
      if (pending.length === 0) return pointers.filter((pointer) => !pointer.dropped)
      // The end of a rename may be a pointer that this listing does not hold: list again.
      for (const pointer of pending) await this.settle(pointer)
    }
    throw renamedAllTheTime(folder)
  }

  async #listLocations(folder: string): Promise<readonly string[]> {
    const locations: string[] = []
    for await (const { location } of this.#tools.io.list(folder)) {
      if (location.endsWith('.json')) locations.push(location)
      if (locations.length > tablesMax) {
        throw new ValidationError('too many tables to list', { facts: { max: tablesMax } })
      }
    }
    return locations
  }

  /** Replaces `base` (undefined: there was no pointer); see `SwapObject.swap`. */
  swap(
    base: PointerState | undefined,
    payload: TablePointer,
    policy = this.#policy,
  ): Promise<SwapOutcome<TablePointer>> {
    const location = this.#locationOf(payload.identifier)
    return this.#objects.swap({ location, base, payload, policy })
  }

  /** Brings the rename that a pointer is part of to its end. */
  settle(pointer: TablePointer): Promise<void> {
    return settleRename(
      {
        pointers: this.#objects,
        locationOf: (identifier) => this.#locationOf(identifier),
        policy: this.#policy,
      },
      pointer,
    )
  }

  #folderOf(namespace: Namespace): string {
    return `${this.#folder}${encodeNamespace(namespace)}/`
  }

  #locationOf(identifier: TableIdentifier): string {
    return `${this.#folderOf(identifier.namespace)}${encodeName(identifier.name)}.json`
  }
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
