/** Completion for bash, 3.2 (macOS) and newer. */
import { type CommandFlag, type CommandTree, flagsAt, type ValueSource } from './command-tree.ts'

export function bashScript(tree: CommandTree): string {
  const { program } = tree
  return `# Completion of ${program} for bash, printed by: ${program} completion bash

# Sets the words that may follow at a place: commands, flags and what an argument is.
_${program}_place() {
  case "$1" in
${placeCases(tree)}
  esac
}

# Sets place to the command that the word $2 leads to; other words are arguments and change nothing.
_${program}_enter() {
  case "$1 $2" in
${enterCases(tree)}
  esac
}

# Sets values to what completes the value of the flag $2; false when it takes none.
_${program}_value() {
  case "$1 $2" in
${valueCases(tree)}
  *) return 1 ;;
  esac
}

_${program}() {
  local IFS=$' \\t\\n' current="\${COMP_WORDS[COMP_CWORD]}" place='' flag='' word index
  local commands='' flags='' argument='' values=''
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    # bash splits --flag=value into three words.
    if [[ "$word" == '=' ]]; then continue; fi
    if [[ -n "$flag" ]]; then
      flag=''
    elif [[ "$word" == -* ]]; then
      if _${program}_value "$place" "$word"; then flag="$word"; fi
    else
      _${program}_enter "$place" "$word"
    fi
  done
  if [[ "$current" == '=' ]]; then current=''; fi
  _${program}_place "$place"
  if [[ -n "$flag" ]]; then
    _${program}_value "$place" "$flag"
  elif [[ "$current" == -* ]]; then
    values="$flags"
  elif [[ "$argument" == '@files' ]]; then
    values='@files'
  else
    values="$commands $argument"
  fi
  if [[ "$values" == '@files' ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
  else
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  fi
}

complete -F _${program} ${program}
`
}

function placeCases(tree: CommandTree): string {
  return tree.nodes
    .map((node) => {
      const commands = node.children.map(({ name }) => name).join(' ')
      const flags = flagsAt(tree, node).flatMap(({ names }) => names)
      return `  '${node.place}')
    commands='${commands}'
    argument='${valuesText(node.argument)}'
    flags='${[...new Set(flags)].join(' ')}' ;;`
    })
    .join('\n')
}

function enterCases(tree: CommandTree): string {
  return tree.nodes
    .flatMap(({ place, children }) =>
      children.map((child) => {
        const words = [child.name, ...child.aliases].map((word) => `'${place} ${word}'`)
        return `  ${words.join(' | ')}) place='${child.place}' ;;`
      }),
    )
    .join('\n')
}

/** A command's own flags go before the program's, which have one case for all places. */
function valueCases(tree: CommandTree): string {
  const own = tree.nodes.flatMap(({ place, flags }) =>
    flags.map((flag) => valueCase(flag, (name) => `'${place} ${name}'`)),
  )
  const everywhere = tree.globalFlags.map((flag) => valueCase(flag, (name) => `*' ${name}'`))
  return [...own, ...everywhere].join('\n')
}

function valueCase({ names, value }: CommandFlag, pattern: (name: string) => string): string {
  const action = value === undefined ? 'return 1' : `values='${valuesText(value)}'`
  return `  ${names.map(pattern).join(' | ')}) ${action} ;;`
}

function valuesText(source: ValueSource): string {
  if (source === 'files') return '@files'
  return source === 'nothing' ? '' : source.join(' ')
}
