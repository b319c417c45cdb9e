/** The index of the first argument that is neither a flag nor a flag's value; -1 when there is none. */
export function operandIndex(args: readonly string[], flagsWithValue: readonly string[]): number {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? ''
    if (!arg.startsWith('-')) return index
    if (flagsWithValue.includes(arg)) index++
  }
  return -1
}
