/** The swapped objects of one folder of the catalog, each named by its path there without `.json`. */
import { type RetryPolicy, ValidationError } from '../../common/index.ts'
import { catalogFolder } from './object-names.ts'
import {
  type PayloadCodec,
  SwapObject,
  type SwapOutcome,
  type SwapState,
  type SwapTools,
} from './swap-object.ts'

const objectsMax = 100_000

export interface SwapPlace {
  readonly tools: SwapTools
  readonly warehouse: string
  /** How long the outcome of a swap is looked for. */
  readonly policy: RetryPolicy
}

export class SwapFolder<Payload> {
  /** Ends with a slash. */
  readonly location: string
  readonly objects: SwapObject<Payload>
  readonly policy: RetryPolicy
  readonly #io: SwapTools['io']
  readonly #content: 'namespaces' | 'tables'

  constructor(
    { tools, warehouse, policy }: SwapPlace,
    content: 'namespaces' | 'tables',
    codec: PayloadCodec<Payload>,
  ) {
    this.objects = new SwapObject(tools, codec)
    this.policy = policy
    this.#io = tools.io
    this.#content = content
    this.location = `${warehouse}/${catalogFolder}/${content}/`
  }

  locationOf(name: string): string {
    return `${this.location}${name}.json`
  }

  read(name: string): Promise<SwapState<Payload> | undefined> {
    return this.objects.read(this.locationOf(name))
  }

  /** Replaces `base` (undefined: the object must not exist); see `SwapObject.swap`. */
  swap(
    name: string,
    base: SwapState<Payload> | undefined,
    payload: Payload,
    policy = this.policy,
  ): Promise<SwapOutcome<Payload>> {
    return this.objects.swap({ location: this.locationOf(name), base, payload, policy })
  }

  /** Locations of the objects whose names begin with `prefix` and match. Throws ValidationError where they are too many. */
  async list(
    prefix: string,
    matches: (name: string) => boolean = () => true,
  ): Promise<readonly string[]> {
    const locations: string[] = []
    for await (const { location } of this.#io.list(this.location + prefix)) {
      const name = location.slice(this.location.length, -'.json'.length)
      if (location.endsWith('.json') && matches(name)) locations.push(location)
      if (locations.length > objectsMax) {
        throw new ValidationError(`too many ${this.#content} to list`, {
          facts: { max: objectsMax },
        })
      }
    }
    return locations
  }
}
