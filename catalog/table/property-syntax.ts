/** How values of table properties are written. Strict, as Iceberg's own readers are: no space, no sign. */

export interface PropertySyntax<T> {
  /** What the value must be, as it follows "must be" in a message. */
  readonly expected: string
  /** Undefined for text that is no value. */
  readonly parse: (text: string) => T | undefined
}

const longMax = 2n ** 63n - 1n

export type MetricsMode =
  | { readonly kind: 'none' | 'counts' | 'full' }
  | { readonly kind: 'truncate'; readonly width: number }

export function wholeNumber(min: number, max: number, expected: string): PropertySyntax<number> {
  return {
    expected: `${expected}, at least ${min} and at most ${max}`,
    parse: (text) => {
      if (!/^\d{1,19}$/.test(text)) return undefined
      const exact = BigInt(text)
      return exact >= BigInt(min) && exact <= BigInt(max) ? Number(exact) : undefined
    },
  }
}

/** A 64-bit number, such as `Long.MAX_VALUE`, which users write for "never". */
export function longNumber(expected: string): PropertySyntax<bigint> {
  return {
    expected: `${expected}, at most ${longMax}`,
    parse: (text) => {
      if (!/^\d{1,19}$/.test(text)) return undefined
      const value = BigInt(text)
      return value <= longMax ? value : undefined
    },
  }
}

export const trueOrFalse: PropertySyntax<boolean> = {
  expected: 'true or false',
  parse: (text) => {
    const lower = text.toLowerCase()
    return lower === 'true' || lower === 'false' ? lower === 'true' : undefined
  },
}

export function oneOf<const Name extends string>(names: readonly Name[]): PropertySyntax<Name> {
  return {
    expected: `one of ${names.join(', ')}`,
    parse: (text) => names.find((name) => name === text.toLowerCase()),
  }
}

export const anyText: PropertySyntax<string> = {
  expected: 'text',
  parse: (text) => (text === '' ? undefined : text),
}

export const metricsMode: PropertySyntax<MetricsMode> = {
  expected: 'none, counts, truncate(16) or full',
  parse: (text) => {
    const lower = text.trim().toLowerCase()
    if (lower === 'none' || lower === 'counts' || lower === 'full') return { kind: lower }
    const width = Number(/^truncate\((\d{1,9})\)$/.exec(lower)?.[1] ?? 0)
    return width > 0 ? { kind: 'truncate', width } : undefined
  },
}
