/** The functions that the scripts for bash and zsh have in common. */
import { type Branch, enterBranches, valueBranches } from './branches.ts'
import {
  type CommandFlag,
  type CommandNode,
  type CommandTree,
  flagsAt,
  type ValueSource,
} from './command-tree.ts'

/** Shell code that sets variables; bash holds a list as a text of words, zsh as an array. */
export interface Assignments {
  /** What may follow at a place, a line for each variable; `flags` are the program's too. */
  readonly offers: (node: CommandNode, flags: readonly CommandFlag[]) => readonly string[]
  readonly candidates: (source: ValueSource) => string
}

export function posixFunctions(tree: CommandTree, { offers, candidates }: Assignments): string {
  const { program } = tree
  const places = tree.nodes.map((node) => {
    const lines = offers(node, flagsAt(tree, node))
    return `  ('${node.place}')\n    ${lines.join('\n    ')} ;;`
  })
  const enters = enterBranches(tree).map((branch) =>
    branchCase(branch, `place='${branch.outcome}'`),
  )
  const values = valueBranches(tree).map((branch) =>
    branchCase(branch, branch.outcome === undefined ? 'return 1' : candidates(branch.outcome)),
  )
  return `# Sets what may follow at a place: commands, flags and what an argument is.
_${program}_place() {
  case "$1" in
${places.join('\n')}
  esac
}

# Sets place to the command that the word $2 leads to; other words are arguments and change nothing.
_${program}_enter() {
  case "$1 $2" in
${enters.join('\n')}
  esac
}

# Sets candidates to what completes the value of the flag $2; false when it takes none.
_${program}_value() {
  case "$1 $2" in
${values.join('\n')}
  (*) return 1 ;;
  esac
}

# Takes the next word before the cursor: sets flag to a flag that waits for its value, else goes on from place.
_${program}_take() {
  if [[ -n "$flag" ]]; then
    flag=''
  elif [[ "$1" == -* ]]; then
    if _${program}_value "$place" "$1"; then flag="$1"; fi
  else
    _${program}_enter "$place" "$1"
  fi
}`
}

function branchCase({ place, words }: Branch<unknown>, action: string): string {
  const patterns = words.map((word) => (place === undefined ? `*' ${word}'` : `'${place} ${word}'`))
  return `  (${patterns.join(' | ')}) ${action} ;;`
}
