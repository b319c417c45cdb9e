/** `tide init`: a project that runs, and that a newcomer can read in a minute. Nothing is overwritten. */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { AlreadyExistsError, didYouMean, errorMessage } from '../../common/index.ts'
import { choiceOption } from '../frame/choice-option.ts'
import type { CliContext } from '../frame/context.ts'
import { UsageError } from '../frame/failure.ts'
import { laterTemplates, templates } from './init/project-templates.ts'

interface InitFlags {
  readonly template: string
}

export function defineInit(init: Command, context: CliContext): void {
  init
    .description('write a new project: tidewater.yaml, streams/, models/, .env.example, README.md')
    .argument('[dir]', 'directory of the project', '.')
    .addOption(
      choiceOption(
        '--template <name>',
        'embedded-json needs no broker',
        Object.keys(templates),
      ).default('embedded-json'),
    )
    .action((directory: string, flags: InitFlags) => runInit(context, directory, flags))
}

async function runInit(
  context: CliContext,
  directory: string,
  { template }: InitFlags,
): Promise<void> {
  const written = await initProject(context.directory, directory, template)
  for (const file of written) context.write(`wrote ${file}\n`)
  const enter = directory === '.' ? '' : `cd ${directory} && `
  const next =
    template === 'embedded-json' ? 'npx tide dev' : 'npx tide stream lint && npx tide doctor'
  context.note(`next: ${enter}${next}`)
}

/** Returns the files written. Throws before writing anything when one of them exists. */
async function initProject(
  base: string,
  directory: string,
  templateName: string,
): Promise<readonly string[]> {
  const template = templates[templateName]
  if (template === undefined) {
    const names = Object.keys(templates)
    const later = laterTemplates.includes(templateName) ? 'is not in this release' : 'is unknown'
    const hint = didYouMean(templateName, names)
    throw new UsageError(`template "${templateName}" ${later}${hint} (${names.join(', ')})`)
  }
  const root = resolve(base, directory)
  const files = Object.keys(template)
  const existing = await existingOf(root, files)
  if (existing.length > 0) {
    throw new AlreadyExistsError(
      `nothing was written, because ${existing.join(', ')} exists in ${directory}: choose an empty directory`,
    )
  }
  for (const [file, text] of Object.entries(template)) {
    const path = join(root, file)
    try {
      await mkdir(dirname(path), { recursive: true })
      // The flag refuses a file that appeared since the check.
      await writeFile(path, text, { flag: 'wx' })
    } catch (error) {
      throw new UsageError(`cannot write ${path}: ${errorMessage(error)}`, { cause: error })
    }
  }
  return files.map((file) => join(directory, file))
}

async function existingOf(root: string, files: readonly string[]): Promise<readonly string[]> {
  const checks = files.map(async (file) => {
    try {
      await access(join(root, file))
      return [file]
    } catch {
      return []
    }
  })
  return (await Promise.all(checks)).flat()
}
