/** Where the values of settings come from. */
import { pathKey, type SettingPath } from './setting-path.ts'

export interface FilePosition {
  readonly file: string
  readonly line: number
  readonly col: number
}

/** In rising order of precedence. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly position: FilePosition }
  | { readonly kind: 'env'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string }

export function formatOrigin(origin: Origin): string {
  if (origin.kind === 'env') return `env ${origin.variable}`
  if (origin.kind === 'flag') return `flag ${origin.flag}`
  if (origin.kind === 'default') return 'default'
  return `${origin.position.file}:${origin.position.line}:${origin.position.col}`
}

/** The origins of a document's keys, or of its values. */
export class Origins {
  readonly #byPath: Map<string, Origin>

  constructor(copied?: Origins) {
    this.#byPath = new Map(copied === undefined ? [] : copied.#byPath)
  }

  get(path: SettingPath): Origin | undefined {
    return this.#byPath.get(pathKey(path))
  }

  set(path: SettingPath, origin: Origin): void {
    this.#byPath.set(pathKey(path), origin)
  }

  /** `path` and all that is below it come from `origin`. */
  replace(path: SettingPath, origin: Origin): void {
    const below = pathKey(path).slice(0, -1)
    for (const key of this.#byPath.keys()) {
      if (key.startsWith(`${below},`)) this.#byPath.delete(key)
    }
    this.set(path, origin)
  }

  /** The origin of the nearest thing on the way to `path` that was written somewhere. */
  nearest(path: SettingPath): Origin {
    for (let length = path.length; length >= 0; length--) {
      const origin = this.get(path.slice(0, length))
      if (origin !== undefined) return origin
    }
    return { kind: 'default' }
  }
}
