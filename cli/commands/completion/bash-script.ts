/** Completion for bash, 3.2 (macOS) and newer. */
import type { CommandTree, ValueSource } from './command-tree.ts'
import { type Assignments, posixFunctions } from './posix-functions.ts'

export function bashScript(tree: CommandTree): string {
  const { program } = tree
  return `# Completion of ${program} for bash, printed by: ${program} completion bash

${posixFunctions(tree, assignments)}

_${program}() {
  local IFS=$' \\t\\n' current="\${COMP_WORDS[COMP_CWORD]}" place='' flag='' word index
  local commands='' flags='' argument='' candidates=''
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    # bash splits --flag=value into three words.
    if [[ "$word" != '=' ]]; then _${program}_take "$word"; fi
  done
  if [[ "$current" == '=' ]]; then current=''; fi
  _${program}_place "$place"
  if [[ -n "$flag" ]]; then
    _${program}_value "$place" "$flag"
  elif [[ "$current" == -* ]]; then
    candidates="$flags"
  elif [[ "$argument" == '@files' ]]; then
    candidates='@files'
  else
    candidates="$commands $argument"
  fi
  if [[ "$candidates" == '@files' ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
  else
    COMPREPLY=($(compgen -W "$candidates" -- "$current"))
  fi
}

complete -F _${program} ${program}
`
}

const assignments: Assignments = {
  offers: ({ children, argument }, flags) => [
    `commands='${children.map(({ name }) => name).join(' ')}'`,
    `argument='${valuesText(argument)}'`,
    `flags='${[...new Set(flags.flatMap(({ names }) => names))].join(' ')}'`,
  ],
  candidates: (source) => `candidates='${valuesText(source)}'`,
}

function valuesText(source: ValueSource): string {
  if (source === 'files') return '@files'
  return source === 'nothing' ? '' : source.join(' ')
}
