/** What a completion script decides on: which command a word leads to, and what a flag takes. */
import type { CommandTree, ValueSource } from './command-tree.ts'

/** One case of a shell's switch: words that are typed at a place, and what follows from them. */
export interface Branch<Outcome> {
  /** Undefined for every place. */
  readonly place: string | undefined
  readonly words: readonly string[]
  readonly outcome: Outcome
}

/** The place that each command's name, or alias, leads to. */
export function enterBranches(tree: CommandTree): readonly Branch<string>[] {
  return tree.nodes.flatMap(({ place, children }) =>
    children.map((child) => ({
      place,
      words: [child.name, ...child.aliases],
      outcome: child.place,
    })),
  )
}

/** What completes the value of each flag, undefined for a flag without one; a command's own flags go first. */
export function valueBranches(tree: CommandTree): readonly Branch<ValueSource | undefined>[] {
  const atPlaces = [
    ...tree.nodes.map(({ place, flags }) => ({ place, flags })),
    { place: undefined, flags: tree.globalFlags },
  ]
  return atPlaces.flatMap(({ place, flags }) =>
    flags.map(({ names, value }) => ({ place, words: names, outcome: value })),
  )
}
