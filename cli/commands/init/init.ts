/** `tide init`: a project that runs, and that a newcomer can read in a minute. */
import type { Command } from 'commander'
import { choiceOption } from '../../frame/choice-option.ts'
import type { CliContext } from '../../frame/context.ts'
import { templates } from './project-templates.ts'

export function addInit(program: Command, context: CliContext): void {
  program
    .command('init')
    .description('write a new project: tidewater.yaml, streams/, models/, .env.example, README.md')
    .argument('[dir]', 'directory of the project', '.')
    .addOption(
      choiceOption(
        '--template <name>',
        'embedded-json needs no broker',
        Object.keys(templates),
      ).default('embedded-json'),
    )
    .action(async (directory: string, options: { readonly template: string }) => {
      const { initProject } = await import('./init-project.ts')
      const written = await initProject(context.directory, directory, options.template)
      for (const file of written) context.write(`wrote ${file}\n`)
      const enter = directory === '.' ? '' : `cd ${directory} && `
      const next =
        options.template === 'embedded-json'
          ? 'npx tide dev'
          : 'npx tide stream lint && npx tide doctor'
      context.note(`next: ${enter}${next}`)
    })
}
