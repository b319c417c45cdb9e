/**
 * Namespaces of the bucket-only catalog: one swapped object each, a tombstone when dropped.
 *
 * Dropping must not race with a table being created inside. The dropper first marks the namespace,
 * then looks for tables, then swaps the mark for a tombstone. A creator writes its table first and
 * looks at the namespace after: if it finds the mark it removes it, and the dropper's last swap is
 * lost. So either the dropper sees the table or the creator sees the drop.
 */
import { type Namespace, formatNamespace } from '../format/identifiers.ts'
import {
  AlreadyExistsError,
  CorruptDataError,
  type JsonObject,
  NotFoundError,
  UnavailableError,
  ValidationError,
  isJsonObject,
} from '../../common/index.ts'
import { checkNamespace, encodeNamespace } from './object-names.ts'
import { SwapFolder, type SwapPlace } from './swap-folder.ts'
import type { PayloadCodec, SwapState } from './swap-object.ts'

type Properties = Readonly<Record<string, string>>

interface NamespaceEntry {
  readonly namespace: Namespace
  readonly properties: Properties
  readonly state: 'live' | 'dropping' | 'dropped'
}

type State = SwapState<NamespaceEntry>

const roundsMax = 50

export class NamespaceStore {
  readonly #folder: SwapFolder<NamespaceEntry>

  constructor(place: SwapPlace) {
    this.#folder = new SwapFolder(place, 'namespaces', namespaceCodec)
  }

  /** Namespaces one level below `parent` (or at the top), sorted. */
  async list(parent: Namespace | undefined): Promise<readonly Namespace[]> {
    if (parent !== undefined) await this.load(parent)
    const prefix = parent === undefined ? '' : `${encodeNamespace(parent)}.`
    const levels = (parent?.length ?? 0) + 1
    const isChild = (name: string): boolean => name.split('.').length === levels
    const states = await this.#folder.objects.readMany(await this.#folder.list(prefix, isChild))
    return states
      .filter((state) => state.payload.state !== 'dropped')
      .map((state) => state.payload.namespace)
      .sort((left, right) => (formatNamespace(left) < formatNamespace(right) ? -1 : 1))
  }

  /** Creates the namespace, and its parents where they are missing. Throws AlreadyExistsError. */
  async create(namespace: Namespace, properties: Properties): Promise<void> {
    checkNamespace(namespace)
    const parent = namespace.slice(0, -1)
    if (parent.length > 0 && (await this.#read(parent)) === undefined) {
      await this.create(parent, {}).catch((error: unknown) => {
        if (!(error instanceof AlreadyExistsError)) throw error
      })
    }
    await this.#change(namespace, (current) => {
      if (current !== undefined && current.payload.state !== 'dropped') {
        throw new AlreadyExistsError('the namespace exists already', factsOf(namespace))
      }
      return { namespace, properties, state: 'live' }
    })
  }

  /** The properties. Throws NotFoundError. */
  async load(namespace: Namespace): Promise<Properties> {
    const current = await this.#read(namespace)
    if (current === undefined) throw missing(namespace)
    return current.payload.properties
  }

  async update(
    namespace: Namespace,
    changes: { readonly updates: Properties; readonly removals: readonly string[] },
  ): Promise<void> {
    const both = changes.removals.find((key) => Object.hasOwn(changes.updates, key))
    if (both !== undefined) {
      throw new ValidationError('a property cannot be set and removed in one request', {
        facts: { property: both },
      })
    }
    await this.#change(namespace, (current) => {
      if (current === undefined || current.payload.state === 'dropped') throw missing(namespace)
      const kept = Object.entries(current.payload.properties).filter(
        ([key]) => !changes.removals.includes(key),
      )
      const properties = { ...Object.fromEntries(kept), ...changes.updates }
      return { namespace, properties, state: 'live' }
    })
  }

  /** Drops the namespace unless `isInUse` finds something in it after the drop was announced. */
  async drop(namespace: Namespace, isInUse: () => Promise<boolean>): Promise<void> {
    await this.#change(namespace, (current) => {
      if (current === undefined || current.payload.state === 'dropped') throw missing(namespace)
      return { ...current.payload, state: 'dropping' }
    })
    const marked = await this.#read(namespace)
    if (marked === undefined) return
    const inUse = marked.payload.state === 'live' || (await isInUse())
    const state = inUse ? 'live' : 'dropped'
    const outcome = await this.#swap(marked, { ...marked.payload, state })
    if (inUse || outcome.kind === 'lost') {
      throw new ValidationError('the namespace is not empty', factsOf(namespace))
    }
  }

  /** For the creator of a table, after its pointer is written: false when the namespace was dropped. */
  async keepAlive(namespace: Namespace): Promise<boolean> {
    for (let round = 0; round < roundsMax; round++) {
      const current = await this.#read(namespace)
      if (current === undefined) return false
      if (current.payload.state === 'live') return true
      await this.#swap(current, { ...current.payload, state: 'live' })
    }
    throw busy(namespace)
  }

  async #read(namespace: Namespace): Promise<State | undefined> {
    checkNamespace(namespace)
    const current = await this.#folder.read(encodeNamespace(namespace))
    return current?.payload.state === 'dropped' ? undefined : current
  }

  async #change(
    namespace: Namespace,
    next: (current: State | undefined) => NamespaceEntry,
  ): Promise<void> {
    checkNamespace(namespace)
    for (let round = 0; round < roundsMax; round++) {
      const current = await this.#folder.read(encodeNamespace(namespace))
      const outcome = await this.#swap(current, next(current))
      if (outcome.kind === 'won') return
    }
    throw busy(namespace)
  }

  #swap(base: State | undefined, payload: NamespaceEntry) {
    return this.#folder.swap(encodeNamespace(payload.namespace), base, payload)
  }
}

const namespaceCodec: PayloadCodec<NamespaceEntry> = {
  toJson: ({ namespace, properties, state }) => ({ namespace: [...namespace], properties, state }),
  fromJson: (json, where) => {
    const { namespace, properties, state } = json
    const isText = (value: unknown): value is string => typeof value === 'string'
    if (!Array.isArray(namespace) || !namespace.every(isText)) throw damaged(where, 'namespace')
    if (!isTextMap(properties)) throw damaged(where, 'properties')
    if (state !== 'live' && state !== 'dropping' && state !== 'dropped') {
      throw damaged(where, 'state')
    }
    return { namespace, properties, state }
  },
}

function isTextMap(value: JsonObject[string] | undefined): value is Properties {
  return isJsonObject(value) && Object.values(value).every((item) => typeof item === 'string')
}

function factsOf(namespace: Namespace): { readonly facts: { readonly namespace: string } } {
  return { facts: { namespace: formatNamespace(namespace) } }
}

function missing(namespace: Namespace): NotFoundError {
  return new NotFoundError('the namespace does not exist', factsOf(namespace))
}

function busy(namespace: Namespace): UnavailableError {
  return new UnavailableError(
    'other writers keep changing the namespace; try again later',
    factsOf(namespace),
  )
}

function damaged(where: string, reason: string): CorruptDataError {
  return new CorruptDataError('namespace object is damaged', { facts: { where, reason } })
}
