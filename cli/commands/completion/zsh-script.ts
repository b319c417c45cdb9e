/** Completion for zsh: commands and flags with their descriptions. */
import { type CommandFlag, type CommandTree, flagsAt, type ValueSource } from './command-tree.ts'

/** `path`, `commands` and `options` are zsh's own variables, so the script's have other names. */
export function zshScript(tree: CommandTree): string {
  const { program } = tree
  return `#compdef ${program}
# Completion of ${program} for zsh, printed by: ${program} completion zsh

# Sets what may follow at a place: commands, flags and what an argument is.
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

# Sets candidates to what completes the value of the flag $2; false when it takes none.
_${program}_value() {
  case "$1 $2" in
${valueCases(tree)}
  (*) return 1 ;;
  esac
}

_${program}() {
  local place='' flag='' word
  local -a subcommands flags argument candidates
  local -i index
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    if [[ -n "$flag" ]]; then
      flag=''
    elif [[ "$word" == -* ]]; then
      if _${program}_value "$place" "$word"; then flag="$word"; fi
    else
      _${program}_enter "$place" "$word"
    fi
  done
  if [[ -z "$flag" && "$PREFIX" == --*=* ]]; then
    flag="\${PREFIX%%=*}"
    compset -P '*='
  fi
  if [[ -n "$flag" ]]; then
    candidates=()
    _${program}_value "$place" "$flag"
  else
    _${program}_place "$place"
    if [[ "$PREFIX" == -* ]]; then
      _describe -o 'flag' flags
      return
    fi
    if ((\${#subcommands})); then _describe 'command' subcommands; fi
    candidates=("\${argument[@]}")
  fi
  if [[ "\${candidates[1]-}" == '@files' ]]; then
    _files
  elif ((\${#candidates})); then
    compadd -- "\${candidates[@]}"
  fi
}

# From a file in fpath zsh runs the whole of it as the function; sourced, it only has to be named.
if [[ "\${funcstack[1]-}" == '_${program}' ]]; then
  _${program} "$@"
else
  compdef _${program} ${program}
fi
`
}

function placeCases(tree: CommandTree): string {
  return tree.nodes
    .map((node) => {
      const commands = node.children.map(({ name, description }) => entry(name, description))
      const flags = flagsAt(tree, node).flatMap(({ names, description }) =>
        names.map((name) => entry(name, description)),
      )
      return `  ('${node.place}')
    subcommands=(${commands.join(' ')})
    argument=(${valueWords(node.argument)})
    flags=(${[...new Set(flags)].join(' ')}) ;;`
    })
    .join('\n')
}

function enterCases(tree: CommandTree): string {
  return tree.nodes
    .flatMap(({ place, children }) =>
      children.map((child) => {
        const words = [child.name, ...child.aliases].map((word) => `'${place} ${word}'`)
        return `  (${words.join(' | ')}) place='${child.place}' ;;`
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
  const action = value === undefined ? 'return 1' : `candidates=(${valueWords(value)})`
  return `  (${names.map(pattern).join(' | ')}) ${action} ;;`
}

/** A word of \`_describe\`: the name ends at the first colon. */
function entry(name: string, description: string): string {
  return quoted(`${name}:${description}`)
}

function valueWords(source: ValueSource): string {
  if (source === 'files') return `'@files'`
  return source === 'nothing' ? '' : source.map(quoted).join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
