/** The files of a new project; nothing that exists is ever overwritten. */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AlreadyExistsError, didYouMean, errorMessage } from '../../../common/index.ts'
import { UsageError } from '../../frame/failure.ts'
import { laterTemplates, templates } from './project-templates.ts'

/** Returns the files written. Throws before writing anything when one of them exists. */
export async function initProject(
  base: string,
  directory: string,
  templateName: string,
): Promise<readonly string[]> {
  const template = templates[templateName]
  if (template === undefined) {
    const known = Object.keys(templates)
    const later = laterTemplates.includes(templateName) ? 'is not in this release' : 'is unknown'
    const hint = didYouMean(templateName, known)
    throw new UsageError(`template "${templateName}" ${later}${hint} (${known.join(', ')})`)
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
