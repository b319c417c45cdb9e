/** `tide init`: a project that runs, and that a newcomer can read in a minute. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'

export function addInit(program: Command, context: CliContext): void {
  program
    .command('init')
    .description('write a new project: tidewater.yaml, streams/, models/, .env.example, README.md')
    .argument('[dir]', 'directory of the project', '.')
    .option('--template <name>', 'embedded-json (needs no broker) | kafka-json', 'embedded-json')
    .action(async (directory: string, options: { readonly template: string }) => {
      const { initProject } = await import('./init-project.ts')
      const written = await initProject(context.directory, directory, options.template)
      for (const file of written) context.write(`wrote ${file}\n`)
      const enter = directory === '.' ? '' : `cd ${directory} && `
      const next =
        options.template === 'embedded-json' ? 'tide dev' : 'tide stream lint && tide doctor'
      context.note(`next: ${enter}${next}`)
    })
}
