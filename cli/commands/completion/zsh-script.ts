/** Completion for zsh: commands and flags with their descriptions. */
import type { CommandTree, ValueSource } from './command-tree.ts'
import { type Assignments, posixFunctions } from './posix-functions.ts'

/** `path`, `commands` and `options` are zsh's own variables, so the script's have other names. */
export function zshScript(tree: CommandTree): string {
  const { program } = tree
  return `#compdef ${program}
# Completion of ${program} for zsh, printed by: ${program} completion zsh

${posixFunctions(tree, assignments)}

_${program}() {
  local place='' flag=''
  local -a subcommands flags argument candidates
  local -i index
  for ((index = 2; index < CURRENT; index++)); do
    _${program}_take "\${words[index]}"
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

const assignments: Assignments = {
  offers: ({ children, argument }, flags) => {
    const subcommands = children.map(({ name, description }) => entry(name, description))
    const flagEntries = flags.flatMap(({ names, description }) =>
      names.map((name) => entry(name, description)),
    )
    return [
      `subcommands=(${subcommands.join(' ')})`,
      `argument=(${valueWords(argument)})`,
      `flags=(${[...new Set(flagEntries)].join(' ')})`,
    ]
  },
  candidates: (source) => `candidates=(${valueWords(source)})`,
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
