/** Reads the keys of a settings schema: for suggestions, environment names, flags and `echo`. */
import { z } from 'zod'
import type { FieldMeta } from './fields.ts'

export type SettingsSchema = z.ZodObject

/** A key that holds a value, not further known keys. */
export interface SettingLeaf {
  readonly path: readonly string[]
  readonly secret: boolean
  /** The default as text, when the schema has one. */
  readonly defaultText: string | undefined
  /** The optional section it lies in: its default holds only when that section is written. */
  readonly section: readonly string[] | undefined
}

/** The schema below wrappers (optional, default). */
export function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap())
  }
  return schema
}

/** The known keys at `path`; undefined where keys are free or there are none. */
export function keysAt(
  schema: SettingsSchema,
  path: readonly (string | number)[],
): readonly string[] | undefined {
  let current: z.core.$ZodType = schema
  for (const step of path) {
    const inner = unwrapped(current)
    const { item } = metaOf(inner)
    if (item !== undefined) current = item
    else if (typeof step === 'number') {
      if (!(inner instanceof z.ZodArray)) return undefined
      current = inner.element
    } else {
      const next = inner instanceof z.ZodObject ? shapeOf(inner)[step] : undefined
      if (next === undefined) return undefined
      current = next
    }
  }
  const inner = unwrapped(current)
  return inner instanceof z.ZodObject ? Object.keys(shapeOf(inner)) : undefined
}

export function leaves(schema: SettingsSchema): readonly SettingLeaf[] {
  return leavesBelow(schema, [], undefined)
}

function leavesBelow(
  schema: z.core.$ZodType,
  path: readonly string[],
  outer: readonly string[] | undefined,
): readonly SettingLeaf[] {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodObject) {
    const section = schema instanceof z.ZodOptional ? path : outer
    return Object.entries(shapeOf(inner)).flatMap(([key, child]) =>
      leavesBelow(child, [...path, key], section),
    )
  }
  const secret = metaOf(inner).secret ?? false
  return [{ path, secret, defaultText: defaultText(schema), section: outer }]
}

function metaOf(schema: z.core.$ZodType): FieldMeta {
  return (schema instanceof z.ZodType ? (schema.meta() as FieldMeta | undefined) : undefined) ?? {}
}

function defaultText(schema: z.core.$ZodType): string | undefined {
  if (schema instanceof z.ZodOptional) return defaultText(schema.unwrap())
  if (!(schema instanceof z.ZodPrefault)) return undefined
  const value: unknown = schema.def.defaultValue
  return typeof value === 'string' ? value : undefined
}

/**
 * Splits `catalog.s3.endpoint` into the steps of the schema, whose keys may hold dots themselves.
 * undefined when no key of that name exists.
 */
export function resolveSettingPath(
  schema: SettingsSchema,
  dotted: string,
): readonly string[] | undefined {
  return resolveBelow(schema, dotted)
}

function resolveBelow(schema: z.core.$ZodType, dotted: string): readonly string[] | undefined {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodRecord) return [dotted]
  if (!(inner instanceof z.ZodObject)) return undefined
  for (const [key, child] of Object.entries(shapeOf(inner))) {
    if (key === dotted) return [key]
    if (!dotted.startsWith(`${key}.`)) continue
    const rest = resolveBelow(child, dotted.slice(key.length + 1))
    if (rest !== undefined) return [key, ...rest]
  }
  return undefined
}

/** `TIDEWATER_CATALOG__S3_ENDPOINT`: steps joined by two underscores, other symbols by one. */
export function environmentName(path: readonly string[]): string {
  const steps = path.map((step) => step.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_'))
  return `TIDEWATER_${steps.join('__')}`
}

function shapeOf(schema: z.ZodObject): Readonly<Record<string, z.core.$ZodType>> {
  return schema.shape
}
