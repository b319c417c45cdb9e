/** Completion for fish: one `complete` line for each command and flag, with its description. */
import { type Branch, enterBranches, valueBranches } from './branches.ts'
import type { CommandFlag, CommandNode, CommandTree, ValueSource } from './command-tree.ts'

export function fishScript(tree: CommandTree): string {
  const { program } = tree
  return `# Completion of ${program} for fish, printed by: ${program} completion fish

# True when the flag $argv[2] takes a value at the place $argv[1].
function __${program}_takes_value
    switch "$argv[1] $argv[2]"
${valueCases(tree)}
        case '*'
            return 1
    end
end

# Prints the command that the words before the cursor lead to.
function __${program}_place
    set -l place ''
    set -l flag ''
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test -n "$flag"
            set flag ''
        else if string match -q -- '-*' "$word"
            __${program}_takes_value "$place" "$word"; and set flag "$word"
        else
            switch "$place $word"
${enterCases(tree)}
            end
        end
    end
    echo "$place"
end

function __${program}_at
    set -l place (__${program}_place)
    test "$place" = "$argv[1]"
end

complete -c ${program} -e
complete -c ${program} -f
${tree.globalFlags.map((flag) => flagLine(program, '', flag)).join('\n')}
${tree.nodes.flatMap((node) => nodeLines(tree, node)).join('\n')}
`
}

function nodeLines(tree: CommandTree, node: CommandNode): readonly string[] {
  const { program, globalFlags } = tree
  const condition = ` -n ${quoted(`__${program}_at '${node.place}'`)}`
  const global = new Set(globalFlags.flatMap(({ names }) => names))
  const own =
    node.place === ''
      ? node.flags.filter(({ names }) => !names.every((name) => global.has(name)))
      : node.flags
  const argument = valueOptions(node.argument)
  return [
    ...node.children.map(
      ({ name, description }) =>
        `complete -c ${program}${condition} -a ${name} -d ${quoted(description)}`,
    ),
    ...(node.argument === 'nothing' ? [] : [`complete -c ${program}${condition}${argument}`]),
    ...own.map((flag) => flagLine(program, condition, flag)),
  ]
}

function flagLine(program: string, condition: string, flag: CommandFlag): string {
  const names = flag.names.map((name) =>
    name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`,
  )
  const value = flag.value === undefined ? '' : ` -r${valueOptions(flag.value)}`
  return `complete -c ${program}${condition}${names.join('')}${value} -d ${quoted(flag.description)}`
}

function valueOptions(source: ValueSource): string {
  if (source === 'files') return ' -F'
  return source === 'nothing' ? ' -f' : ` -f -a ${quoted(source.join(' '))}`
}

function enterCases(tree: CommandTree): string {
  return enterBranches(tree)
    .map(
      (branch) => `                case ${patterns(branch)}
                    set place '${branch.outcome}'`,
    )
    .join('\n')
}

function valueCases(tree: CommandTree): string {
  return valueBranches(tree)
    .map(
      (branch) => `        case ${patterns(branch)}
            return ${branch.outcome === undefined ? 1 : 0}`,
    )
    .join('\n')
}

function patterns({ place, words }: Branch<unknown>): string {
  return words.map((word) => `'${place ?? '*'} ${word}'`).join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
