/** `tide sql`: the shell, with the flags of DuckDB's, one dash or two. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { SqlOptions } from './run-sql.ts'

const duckdbFlags = 'bail box csv init json jsonlines line markdown readonly server table'.split(
  ' ',
)
const valueFlags = ['-c', '-f', '--command', '--file', '--server', '--token']
const globalsWithValue =
  '--config --env-file --log-format --log-level --output -o --set --uri --warehouse'.split(' ')

export function addSql(program: Command, context: CliContext): void {
  program
    .command('sql')
    .description('SQL over the tables: a shell, -c, -f, or statements on stdin')
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
    .option('--readonly', 'accepted for habit: this shell only reads')
    .action(async (options: SqlOptions) => {
      const { runSql } = await import('./run-sql.ts')
      await runSql(context, options)
    })
}

/** `tide sql -json` as DuckDB's users write it; other commands keep their one-dash bundles. */
export function withDoubleDashes(args: readonly string[]): readonly string[] {
  const at = commandIndex(args)
  if (args[at] !== 'sql') return args
  return args.map((arg, index) => {
    const isFlag = index > at && arg.startsWith('-') && duckdbFlags.includes(arg.slice(1))
    // What follows -c and -f is their value, whatever it looks like.
    const isValue = valueFlags.includes(args[index - 1] ?? '')
    return isFlag && !isValue ? `-${arg}` : arg
  })
}

function commandIndex(args: readonly string[]): number {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? ''
    if (!arg.startsWith('-')) return index
    if (globalsWithValue.includes(arg)) index++
  }
  return -1
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value]
}
