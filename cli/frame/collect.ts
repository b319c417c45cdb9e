/** Gathers the values of a flag that may be given several times, as commander's parser of its value. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}
