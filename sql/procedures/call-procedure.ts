/** Runs a CALL: finds the procedure, binds the arguments, looks the table up, does the work. */
import type { Catalog } from '../../catalog/index.ts'
import {
  type Namespace,
  type TableIdentifier,
  formatIdentifier,
} from '../../catalog/format/index.ts'
import { NotFoundError, UnsupportedError, ValidationError, didYouMean } from '../../common/index.ts'
import { nameResolver } from '../bind/name-resolution.ts'
import type { ResultColumn } from '../session/query-result.ts'
import { readCall } from '../text/call-statement.ts'
import { renderPosition } from '../text/query-error.ts'
import { nameOf, type Token, type TokenizedText, tokenize } from '../text/tokens.ts'
import { bindArguments } from './bind-arguments.ts'
import type { Procedure, ProcedureResult } from './procedure.ts'

export interface CallTools {
  readonly catalog: Catalog
  readonly procedures: readonly Procedure[]
}

export interface CallOptions {
  /** What a table name without a namespace belongs to. */
  readonly defaultNamespace?: Namespace
  readonly signal?: AbortSignal
}

export interface CallResult extends ProcedureResult {
  readonly columns: readonly ResultColumn[]
}

/** Throws ValidationError or NotFoundError with the position of what is wrong. */
export async function callProcedure(
  { catalog, procedures }: CallTools,
  { text: sql, tokens }: TokenizedText,
  { defaultNamespace, signal }: CallOptions,
): Promise<CallResult> {
  const call = readCall({ text: sql, tokens })
  const procedure = procedures.find(({ name }) => name === call.name)
  if (procedure === undefined) {
    const names = procedures.map(({ name }) => name)
    throw new NotFoundError(
      `there is no procedure system.${call.name}${didYouMean(call.name, names)} (there are ${names.join(', ')})` +
        renderPosition(sql, call.start),
    )
  }
  const values: Record<string, unknown> = {}
  for (const [name, { start, type, value }] of bindArguments(sql, procedure, call)) {
    values[name] =
      type === 'table'
        ? await findTable(catalog, String(value), defaultNamespace, renderPosition(sql, start))
        : value
  }
  signal?.throwIfAborted()
  return { columns: procedure.columns, ...(await procedure.run(values, { signal })) }
}

/** For engines that only read: over HTTP, behind `--server`, with `--readonly`. */
export function refuseCall(tokens: readonly Token[]): UnsupportedError {
  const open = tokens.findIndex(({ text }) => text === '(')
  const name = tokens.slice(1, open < 0 ? 4 : open).map(({ text }) => text)
  const call = `CALL ${name.join('')}`
  return new UnsupportedError(
    `${call} may change a table, which POST /query, tide sql --server and tide sql --readonly refuse: ` +
      `run it with tide sql -c '${call}(...)' on the lake itself`,
  )
}

/** Resolves the name as queries do, with the same suggestions; metadata tables are refused. */
async function findTable(
  catalog: Catalog,
  name: string,
  defaultNamespace: Namespace | undefined,
  position: string,
): Promise<TableIdentifier> {
  const resolver = nameResolver({ catalog, defaultNamespace, metadataKinds: [] })
  try {
    const { layer, table } = await resolver.resolve(nameParts(name))
    if (layer === 'both') return table.identifier
    throw new ValidationError(
      `a procedure works on a whole table: write '${formatIdentifier(table.identifier)}'`,
    )
  } catch (error) {
    if (error instanceof NotFoundError) throw new NotFoundError(`${error.message}${position}`)
    if (error instanceof ValidationError) throw new ValidationError(`${error.message}${position}`)
    throw error
  }
}

/** Parts as SQL writes them, in double quotes where a part has a dot. */
function nameParts(name: string): readonly string[] {
  const { tokens, unfinishedAt } = tokenize(name)
  const isDotted =
    unfinishedAt === undefined &&
    tokens.length % 2 === 1 &&
    tokens.every(({ kind, text }, index) =>
      index % 2 === 0 ? kind === 'word' || kind === 'quoted' : text === '.',
    )
  return isDotted ? tokens.filter((_, index) => index % 2 === 0).map(nameOf) : name.split('.')
}
