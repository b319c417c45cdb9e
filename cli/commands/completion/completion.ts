/** `tide completion`: scripts that complete commands, flags and values, drawn from the program itself. */
import { Argument, type Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { CommandTree } from './command-tree.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

const scripts: Readonly<Record<Shell, () => Promise<(tree: CommandTree) => string>>> = {
  bash: async () => (await import('./bash-script.ts')).bashScript,
  zsh: async () => (await import('./zsh-script.ts')).zshScript,
  fish: async () => (await import('./fish-script.ts')).fishScript,
}

const installation = `
For this shell:

  bash, zsh   eval "$(npx tide completion bash)", or zsh (after compinit)
  fish        npx tide completion fish | source

For every new one, save the script where the shell looks for completions:

  bash   npx tide completion bash > ~/.local/share/bash-completion/completions/tide
         (where the package bash-completion is installed; else source it in ~/.bashrc)
  zsh    npx tide completion zsh > ~/.zfunc/_tide
         (with fpath=(~/.zfunc $fpath) before compinit in ~/.zshrc)
  fish   npx tide completion fish > ~/.config/fish/completions/tide.fish

It completes the command "tide". Where that is called as "npx tide", add a function:

  bash, zsh   tide() { npx tide "$@"; }
  fish        function tide; npx tide $argv; end`

export function defineCompletion(completion: Command, context: CliContext): void {
  completion
    .description('print the script that completes commands, flags and values in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText('after', installation)
    .action(async (shell: Shell) => {
      const { readCommandTree } = await import('./command-tree.ts')
      const script = await scripts[shell]()
      context.write(script(readCommandTree(completion.parent ?? completion)))
    })
}
