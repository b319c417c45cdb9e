/** What a request for a query asks for: its text, format and id, each checked. */
import type { Namespace } from '../catalog/format/index.ts'
import { ValidationError, didYouMean } from '../common/index.ts'
import { acceptedFormat, queryFormats } from './query-formats.ts'

export interface QueryRequest {
  readonly sql: string
  readonly format: string
  /** Chosen by the client. */
  readonly queryId: string | undefined
  readonly defaultNamespace: Namespace | undefined
  readonly quote64: boolean
  /** Values of the placeholders: the parameter `param_x` under the name `x`. */
  readonly parameters: Readonly<Record<string, string>>
}

export interface RawQueryRequest {
  readonly parameters: Readonly<Record<string, unknown>>
  readonly body: string | undefined
  readonly accept: string | undefined
}

const parameterNames = [
  'query',
  'query_id',
  'database',
  'default_format',
  'output_format_json_quote_64bit_integers',
]

/** Throws ValidationError naming the parameter. */
export function queryRequest({ parameters, body, accept }: RawQueryRequest): QueryRequest {
  const value = (name: string): string | undefined => {
    const given = parameters[name]
    if (given === undefined || typeof given === 'string') return given
    throw new ValidationError('the parameter is given twice', { facts: { parameter: name } })
  }
  const placeholders: [string, string][] = []
  for (const name of Object.keys(parameters)) {
    const placeholder = /^param_([A-Za-z_]\w*)$/.exec(name)?.[1]
    if (placeholder === undefined) checkName(name)
    else placeholders.push([placeholder, value(name) ?? ''])
  }
  // As in ClickHouse: the parameter comes first, the body goes on from there.
  const sql = [value('query'), body].filter((part) => part !== undefined && part !== '').join('\n')
  if (sql.trim() === '') {
    throw new ValidationError('there is no query: send it as the body or as ?query=')
  }
  const format = value('default_format') ?? acceptedFormat(accept) ?? 'JSON'
  if (!Object.hasOwn(queryFormats, format)) {
    throw new ValidationError(`there is no format ${format}`, {
      facts: { formats: Object.keys(queryFormats).join(' ') },
    })
  }
  const queryId = value('query_id')
  if (queryId !== undefined && !/^[\w.-]{1,128}$/.test(queryId)) {
    throw new ValidationError('query_id is up to 128 letters, digits, dots, dashes, underscores')
  }
  const database = value('database')
  return {
    sql,
    format,
    queryId,
    defaultNamespace: database === undefined || database === '' ? undefined : database.split('.'),
    quote64: ['1', 'true'].includes(value('output_format_json_quote_64bit_integers') ?? '0'),
    parameters: Object.fromEntries(placeholders),
  }
}

/** An unknown parameter is refused, because ignoring it could change the meaning of the query. */
function checkName(name: string): void {
  if (parameterNames.includes(name)) return
  throw new ValidationError(`unknown parameter ${name}${didYouMean(name, parameterNames)}`, {
    facts: { parameters: parameterNames.join(' ') },
  })
}
