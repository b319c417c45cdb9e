/** `tide sql`: puts engine, streams and mode together; the shell itself is in `sql`. */
import { collect } from '../frame/collect.ts'
import type { Command } from 'commander'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { openQueryEngine } from '../../app/index.ts'
import { errorMessage } from '../../common/index.ts'
import {
  type OutputMode,
  type QueryEngine,
  openRemoteEngine,
  runShell,
  runStatements,
} from '../../sql/index.ts'
import type { CliContext } from '../frame/context.ts'
import { SilentFailure, UsageError, exitCodes } from '../frame/failure.ts'
import type { OutputFormat } from '../frame/output.ts'

interface SqlOptions {
  readonly command: readonly string[]
  readonly file?: string
  readonly json?: boolean
  readonly jsonlines?: boolean
  readonly csv?: boolean
  readonly markdown?: boolean
  readonly line?: boolean
  readonly init?: string
  readonly server?: string
  readonly token?: string
  readonly bail?: boolean
  readonly readonly?: boolean
}

const modes: Readonly<Record<OutputFormat, OutputMode>> = {
  table: 'table',
  wide: 'table',
  json: 'json',
  jsonl: 'jsonlines',
  csv: 'csv',
  markdown: 'markdown',
}

export function defineSql(sql: Command, context: CliContext): void {
  sql
    .description(
      'SQL over the tables and CALL for procedures: a shell, -c, -f, or statements on stdin',
    )
    .option('-c, --command <sql>', 'run these statements; repeatable', collect, [])
    .option('-f, --file <file>', 'run the statements of a file')
    .option('--json', 'one JSON array per result')
    .option('--jsonlines', 'one JSON object per row')
    .option('--csv', 'comma-separated values')
    .option('--markdown', 'a markdown table')
    .option('--line', 'a line per value')
    .option('--table', 'a box, the default')
    .option('--box', 'the same')
    .option(
      '--server <url>',
      'ask a running server (tide dev, tide serve) instead of the lake itself',
    )
    .option('--token <token>', "the server's token (TIDEWATER_SERVER__TOKEN)")
    .option('--init <file>', 'run this script first')
    .option('--bail', 'stop at the first failure')
    .option('--readonly', 'refuse CALL, so that nothing changes a table')
    .action((options: SqlOptions) => runSql(context, options))
}

async function runSql(context: CliContext, options: SqlOptions): Promise<void> {
  const mode = modeOf(context, options)
  const script = await scriptOf(context, options)
  const engine = await openEngine(context, options)
  const { stdin, stdout, stderr } = context.streams
  const common = {
    engine,
    output: stdout,
    errors: stderr,
    mode,
    bail: options.bail === true,
    ...(options.init === undefined ? {} : { initPath: resolve(context.directory, options.init) }),
    // Ctrl-C at a script ends it; in the shell it only cancels, and never reaches this signal.
    signal: context.signal,
  }
  const failures =
    script === undefined
      ? await runShell({
          ...common,
          input: stdin,
          interactive: stdin.isTTY === true && stdout.isTTY === true,
          historyPath: historyPath(context),
        })
      : await runStatements(common, script)
  // Only now: a CALL that was cut off has taken its files back.
  if (context.signal.aborted) throw new SilentFailure(exitCodes.interrupted)
  if (failures > 0) throw new SilentFailure()
}

async function openEngine(context: CliContext, options: SqlOptions): Promise<QueryEngine> {
  const { server: url } = options
  if (url === undefined) {
    const { close, engine } = await openQueryEngine(await context.openLake(), {
      readonly: options.readonly === true,
    })
    context.onClose(close)
    return engine
  }
  if (!/^https?:\/\/[^\s/]+/.test(url) || !URL.canParse(url)) {
    throw new UsageError(`--server ${url}: write http://host:port`)
  }
  const token = options.token ?? context.environment('TIDEWATER_SERVER__TOKEN')
  return openRemoteEngine({ url, ...(token === undefined ? {} : { token }) })
}

function modeOf(context: CliContext, options: SqlOptions): OutputMode {
  if (options.json === true) return 'json'
  if (options.jsonlines === true) return 'jsonlines'
  if (options.csv === true) return 'csv'
  if (options.markdown === true) return 'markdown'
  if (options.line === true) return 'line'
  return modes[context.format]
}

async function scriptOf(context: CliContext, options: SqlOptions): Promise<string | undefined> {
  const { command, file } = options
  if (file === undefined) return command.length === 0 ? undefined : command.join(';\n')
  try {
    const text = await readFile(resolve(context.directory, file), 'utf8')
    return [text, ...command].join(';\n')
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${errorMessage(error)}`, { cause: error })
  }
}

function historyPath(context: CliContext): string {
  const state = context.environment('XDG_STATE_HOME') ?? join(homedir(), '.local', 'state')
  return join(state, 'tidewater', 'sql_history')
}
