/** The commands and flags of a commander program, as a completion script needs them. */
import type { Argument, Command, Option } from 'commander'

/** What completes a value: these words, names of files, or nothing that a script could know. */
export type ValueSource = readonly string[] | 'files' | 'nothing'

export interface CommandFlag {
  /** As typed: `-o` and `--output`. */
  readonly names: readonly string[]
  readonly description: string
  /** Undefined when the flag takes no value. */
  readonly value: ValueSource | undefined
}

export interface CommandNode {
  /** The words that lead here from the program: empty for the program itself, `stream run`. */
  readonly place: string
  readonly name: string
  readonly aliases: readonly string[]
  readonly description: string
  readonly flags: readonly CommandFlag[]
  /** What completes an argument that is neither a flag nor a command. */
  readonly argument: ValueSource
  readonly children: readonly CommandNode[]
}

export interface CommandTree {
  readonly program: string
  /** The program and each command below it, a parent before its children. */
  readonly nodes: readonly CommandNode[]
  /** Flags of the program, which every command takes too. */
  readonly globalFlags: readonly CommandFlag[]
}

/** Placeholders that stand for files, as in `--config <file>` and `[files...]`. */
const filePlaceholders = ['file', 'files', 'dir', 'path', 'location']

export function readCommandTree(program: Command): CommandTree {
  const root = readNode(program, '')
  return {
    program: program.name(),
    nodes: flatten(root),
    globalFlags: program.options.filter((option) => !option.hidden).map(readFlag),
  }
}

/** The flags of a command with those that it takes from the program. */
export function flagsAt(tree: CommandTree, node: CommandNode): readonly CommandFlag[] {
  return node.place === '' ? node.flags : [...node.flags, ...tree.globalFlags]
}

function readNode(command: Command, place: string): CommandNode {
  const help = command.createHelp()
  return {
    place,
    name: command.name(),
    aliases: command.aliases(),
    description: command.description(),
    flags: help.visibleOptions(command).map(readFlag),
    argument: readArguments(command.registeredArguments),
    children: help
      .visibleCommands(command)
      .map((child) => readNode(child, `${place} ${child.name()}`.trimStart())),
  }
}

function flatten(node: CommandNode): readonly CommandNode[] {
  return [node, ...node.children.flatMap(flatten)]
}

function readFlag(option: Option): CommandFlag {
  const takesValue = option.required || option.optional
  const placeholder = /[<[]([\w-]+)/.exec(option.flags)?.[1] ?? ''
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: option.description,
    value: takesValue ? valueSource(placeholder, option.argChoices) : undefined,
  }
}

function readArguments(values: readonly Argument[]): ValueSource {
  const sources = values.map((value) => valueSource(value.name(), value.argChoices))
  return sources.find((source) => source !== 'nothing') ?? 'nothing'
}

function valueSource(placeholder: string, choices: readonly string[] | undefined): ValueSource {
  if (choices !== undefined) return choices
  return filePlaceholders.includes(placeholder) ? 'files' : 'nothing'
}
