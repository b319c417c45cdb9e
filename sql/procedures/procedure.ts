/**
 * What a procedure is: its name, its arguments in Spark's order, its output columns and its work. The
 * procedures themselves come from the code that opens the engine, because most of them need the compactor.
 */
import type { TableIdentifier } from '../../catalog/format/index.ts'
import type { ResultColumn, ResultRow } from '../session/query-result.ts'

/** What an argument of each type is when a procedure runs. */
export interface ArgumentTypes {
  /** The name of a table that exists. */
  readonly table: TableIdentifier
  readonly string: string
  /** A whole number of 64 bits. */
  readonly long: bigint
  /** A whole number of 32 bits. */
  readonly int: number
  readonly boolean: boolean
  /** Microseconds since 1970 in UTC. */
  readonly timestamp: bigint
  readonly longs: readonly bigint[]
  /** Keys and values as text. */
  readonly map: Readonly<Record<string, string>>
}

export type ArgumentType = keyof ArgumentTypes

export interface ProcedureArgument<
  Type extends ArgumentType = ArgumentType,
  IsGiven extends boolean = boolean,
> {
  readonly type: Type
  readonly isRequired: boolean
  readonly fallback: ArgumentTypes[Type] | undefined
  /** Set for an argument of Spark's that has no effect here: why, or what to do instead. */
  readonly refusal: string | undefined
  /** Only for the compiler: true where the procedure always has a value. */
  readonly isGiven?: IsGiven
}

type ProcedureArguments = Readonly<Record<string, ProcedureArgument>>

type ArgumentValues<Arguments extends ProcedureArguments> = {
  readonly [Name in keyof Arguments]: Arguments[Name] extends ProcedureArgument<infer Type, true>
    ? ArgumentTypes[Type]
    : Arguments[Name] extends ProcedureArgument<infer Type>
      ? ArgumentTypes[Type] | undefined
      : never
}

export interface ProcedureResult {
  readonly rows: readonly ResultRow[]
  /** Remarks for the caller, beside the rows. */
  readonly notes: readonly string[]
}

export interface ProcedureContext {
  readonly signal: AbortSignal | undefined
}

export interface Procedure {
  readonly name: string
  /** One line for people. */
  readonly summary: string
  /** By name, in the order of positions. */
  readonly arguments: ProcedureArguments
  readonly columns: readonly ResultColumn[]
  run(
    values: Readonly<Record<string, unknown>>,
    context: ProcedureContext,
  ): Promise<ProcedureResult>
}

interface ProcedureDefinition<Arguments extends ProcedureArguments>
  extends Omit<Procedure, 'arguments' | 'columns' | 'run'> {
  readonly arguments: Arguments
  /** DuckDB's types by name. */
  readonly columns: Readonly<Record<string, 'BIGINT' | 'INTEGER' | 'VARCHAR'>>
  run(values: ArgumentValues<Arguments>, context: ProcedureContext): Promise<ProcedureResult>
}

export function defineProcedure<Arguments extends ProcedureArguments>(
  definition: ProcedureDefinition<Arguments>,
): Procedure {
  return {
    ...definition,
    columns: Object.entries(definition.columns).map(([name, type]) => ({ name, type })),
    run: (values, context) => definition.run(values as ArgumentValues<Arguments>, context),
  }
}

export function required<Type extends ArgumentType>(type: Type): ProcedureArgument<Type, true> {
  return { type, isRequired: true, fallback: undefined, refusal: undefined }
}

export function optional<Type extends ArgumentType>(type: Type): ProcedureArgument<Type, false> {
  return { type, isRequired: false, fallback: undefined, refusal: undefined }
}

export function withDefault<Type extends ArgumentType>(
  type: Type,
  fallback: ArgumentTypes[Type],
): ProcedureArgument<Type, true> {
  return { type, isRequired: false, fallback, refusal: undefined }
}

/** An argument of Spark's that has no effect here, so giving it is an error that names it. */
export function refused<Type extends ArgumentType>(
  type: Type,
  refusal: string,
): ProcedureArgument<Type, false> {
  return { type, isRequired: false, fallback: undefined, refusal }
}

/** `system.expire_snapshots(table, older_than, ...)`, without what is refused. */
export function procedureUsage({ name, arguments: all }: Procedure): string {
  const accepted = Object.entries(all).filter(([, { refusal }]) => refusal === undefined)
  return `system.${name}(${accepted.map(([argument]) => argument).join(', ')})`
}
