/**
 * The kinds of values that settings have, as zod schemas over text (see `setting-tree.ts`): YAML,
 * environment and flags bring the same text, so the same rule reads all three.
 */
import { z } from 'zod'
import { errorMessage, didYouMean, parseDuration, parseSize } from '../common/index.ts'
import { isRawMap, type RawValue } from './setting-tree.ts'

/** What the loader needs to know of a key besides its type. */
export interface FieldMeta {
  readonly secret?: boolean
  /** Where a value is a list of these, or a map by their names. */
  readonly item?: z.core.$ZodType
}

const secretMeta: FieldMeta = { secret: true }

const scalar = (expected: string) =>
  z.string({
    error: (issue) => (issue.input === undefined ? 'is required' : `expected ${expected}`),
  })

/** Text run through `convert`, which throws SettingsError with the reason. */
function converted<T>(expected: string, convert: (text: string) => T) {
  return scalar(expected).transform((text, context): T => {
    try {
      return convert(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: errorMessage(error) })
      return z.NEVER
    }
  })
}

export const text = () => scalar('text').min(1, 'is empty')
export const secret = () => scalar('text').meta({ ...secretMeta })
export const duration = () => converted('a duration such as 10s', parseDuration)
export const size = () => converted('a size such as 128MB', parseSize)
export const parsed = converted

export const integer = (min: number, max: number) =>
  converted('a whole number', (word) => {
    const digits = word.replaceAll('_', '')
    const value = Number(digits)
    if (!/^\d+$/.test(digits)) throw new Error(`not a whole number: "${word}"`)
    if (value < min || value > max) throw new Error(`must be ${min} to ${max}: ${word}`)
    return value
  })

export const flag = () =>
  converted('true or false', (word) => {
    if (word === 'true' || word === 'false') return word === 'true'
    throw new Error(`expected true or false, found "${word}"`)
  })

/** One of `names`; words of `later` are known but refused by name. */
export function choice<const Name extends string>(
  names: readonly Name[],
  later: readonly string[] = [],
) {
  const expected = names.join(' | ')
  return converted(expected, (word): Name => {
    const choice = names.find((name) => name === word)
    if (choice !== undefined) return choice
    if (later.includes(word)) throw new Error(`"${word}" is not in this release (${expected})`)
    throw new Error(`expected ${expected}, found "${word}"${didYouMean(word, names)}`)
  })
}

/** A list, or its items in one text separated by commas (as environment and flags bring it). */
export const textList = (split: (text: string) => readonly string[] = splitList) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' ? split(value) : value),
      z.array(text(), {
        error: ({ input }) =>
          input === undefined ? 'is required' : 'expected a list such as [a, b]',
      }),
    )
    .refine((items) => items.length > 0, 'is empty')

/** A map whose keys are the user's own; values stay as written. `check` throws for one that is wrong. */
export const textMap = (check?: (key: string, value: string) => void) =>
  z
    .record(z.string(), scalar('text'), { error: 'expected a map such as {key: value}' })
    .superRefine((map, context) => {
      for (const [key, value] of Object.entries(map)) {
        try {
          check?.(key, value)
        } catch (error) {
          context.addIssue({ code: 'custom', message: errorMessage(error), path: [key] })
        }
      }
    })

/** A value of any shape run through `convert`, which throws SettingsError with the reason. */
export const structured = <T>(convert: (value: RawValue) => T) =>
  z
    .custom<RawValue>((value) => value !== undefined, 'is required')
    .transform((value, context): T => {
      try {
        return convert(value)
      } catch (error) {
        context.addIssue({ code: 'custom', message: errorMessage(error) })
        return z.NEVER
      }
    })

/** How the items of a list are found whose text may hold commas. */
export interface ListGrammar {
  /** The items of one text. */
  readonly split: (text: string) => readonly string[]
  /** Puts items together again that YAML has cut at their commas. */
  readonly join: (items: readonly string[]) => readonly string[]
}

/** As `textList`, each item run through `convert`. */
export const parsedList = <T>({ split, join }: ListGrammar, convert: (item: string) => T) =>
  textList(split).transform((items, context): readonly T[] => {
    const joined = join(items)
    return joined.flatMap((item, index) => {
      try {
        return [convert(item)]
      } catch (error) {
        // Where items were joined the positions of the list no longer say which item this is.
        const path = joined.length === items.length ? [index] : []
        context.addIssue({ code: 'custom', message: errorMessage(error), path })
        return []
      }
    })
  })

/** What a checked value is in memory. */
export type Values<Schema extends z.core.$ZodType> = z.output<Schema>

/** A list; `items` names what stands in it, for the message. */
export function list<Item extends z.core.$ZodType>(item: Item, items: string) {
  return z.array(item, { error: `expected a list of ${items}` })
}

/** The same list, or a map: `toItem` makes an item of a name and what stands behind it. */
export function listOrMap<Item extends z.core.$ZodType>(
  item: Item,
  items: string,
  toItem: (name: string, value: RawValue) => RawValue,
) {
  const array = z.array(item, { error: `expected a list of ${items}, or a map {name: type}` })
  const itemMeta: FieldMeta = { item }
  return z
    .custom<RawValue>((value) => value !== undefined, 'is required')
    .transform((value, context): readonly z.output<Item>[] => {
      const names = isRawMap(value) ? Object.keys(value) : undefined
      const result = array.safeParse(
        isRawMap(value) ? Object.entries(value).map(([name, each]) => toItem(name, each)) : value,
      )
      if (result.success) return result.data
      for (const issue of result.error.issues) {
        const [index, ...rest] = issue.path
        const name = typeof index === 'number' ? names?.[index] : undefined
        const path = name === undefined ? issue.path : [name, ...rest]
        context.issues.push({ ...issue, path, input: value } as z.core.$ZodRawIssue)
      }
      return z.NEVER
    })
    .meta({ ...itemMeta })
}

export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'invalid_type') return undefined
      return issue.input === undefined ? 'is required' : 'expected keys and values'
    },
  })
}

function splitList(value: string): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
