/** `tide sql -json`: the one-dash flags of DuckDB's shell. */
import { operandIndex } from './operand-index.ts'

const duckdbFlags = 'bail box csv init json jsonlines line markdown readonly server table'.split(
  ' ',
)
const valueFlags = ['-c', '-f', '--command', '--file', '--server', '--token']

/** `tide sql -json` as DuckDB's users write it; other commands keep their one-dash bundles. */
export function withDoubleDashes(
  args: readonly string[],
  flagsWithValue: readonly string[],
): readonly string[] {
  const at = operandIndex(args, flagsWithValue)
  if (args[at] !== 'sql') return args
  return args.map((arg, index) => {
    const isFlag = index > at && arg.startsWith('-') && duckdbFlags.includes(arg.slice(1))
    // What follows -c and -f is their value, whatever it looks like.
    const isValue = valueFlags.includes(args[index - 1] ?? '')
    return isFlag && !isValue ? `-${arg}` : arg
  })
}
