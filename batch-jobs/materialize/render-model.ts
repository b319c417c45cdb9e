/** A model's SQL for one run: its template rendered with dbt's functions and variables. */
import type { TableIdentifier } from '../../catalog/format/index.ts'
import { NotFoundError, ValidationError } from '../../common/index.ts'
import { quoteTable, splitStatements } from '../../sql/index.ts'
import { type Span, sqlTime } from '../intervals/interval.ts'
import type { CallArguments, TemplateWord } from '../project/jinja.ts'
import type { Project } from '../project/model.ts'
import type { Template } from '../project/template.ts'

export interface Rendering {
  readonly project: Project
  readonly vars: Readonly<Record<string, string>>
  readonly environment: (name: string) => string | undefined
  readonly runId: string
}

export interface ModelWords {
  /** Undefined for singular tests. */
  readonly table: TableIdentifier | undefined
  readonly isIncremental: boolean
  /** `{{ start }}` and `{{ end }}`. */
  readonly span: Span | undefined
}

/** The end of a span without end, later than any event. */
const farFuture = '9999-12-31 00:00:00'

export function renderTemplate(
  rendering: Rendering,
  template: Template,
  words: ModelWords,
): string {
  const { project, vars, environment, runId } = rendering
  const where = template.file
  if (words.span === undefined && (template.words.has('start') || template.words.has('end'))) {
    throw new ValidationError(
      `${where}: start and end need an incremental model with event_time, batch_size and begin`,
    )
  }
  const given: Record<string, TemplateWord> = {
    config: () => '',
    ref: (call) => quoteTable(refTable(project, argumentText(call, 0))),
    source: (call) => quoteTable(project.sourceTable(argumentText(call, 0), argumentText(call, 1))),
    var: (call) => valueOf(call, 'variable', (name) => vars[name], where),
    env_var: (call) => valueOf(call, 'environment variable', environment, where),
    is_incremental: () => words.isIncremental,
    run_id: runId,
    this: words.table === undefined ? '' : quoteTable(words.table),
    start: words.span === undefined ? '' : timeOf(words.span.startMs),
    end: words.span === undefined ? '' : timeOf(words.span.endMs),
  }
  return oneQuery(template.render(given).trim(), where)
}

/** Without the last semicolon and comments after it, because the query becomes part of another one. */
function oneQuery(text: string, where: string): string {
  const { statements, rest } = splitStatements(text)
  const queries = rest === '' ? statements : [...statements, rest]
  if (queries.length <= 1) return queries[0] ?? text
  throw new ValidationError(`${where}: a file holds one query, found ${queries.length} statements`)
}

function timeOf(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? farFuture : sqlTime(ms)
}

function refTable(project: Project, name: string): TableIdentifier {
  const model = project.models.find((each) => each.name === name)
  if (model !== undefined) return model.table
  throw new NotFoundError(`there is no model ${name}`)
}

function argumentText({ positional }: CallArguments, index: number): string {
  return String(positional[index])
}

function valueOf(
  { positional, named }: CallArguments,
  what: string,
  lookup: (name: string) => string | undefined,
  where: string,
): string {
  const [name, fallback = named.get('default')] = positional
  const value = lookup(String(name)) ?? fallback
  if (value !== undefined && value !== null) return String(value)
  throw new ValidationError(`${where}: ${what} ${String(name)} is not set and has no default`)
}
