/** The stream that a command names, by its name or by its file. */
import { didYouMean } from '../../../common/index.ts'
import { type SettingProblem, SettingsProblemsError } from '../../../settings/index.ts'
import type { CliContext, LoadedStream } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'

/** Faults in the files of other streams do not matter; they are reported where none has the name. */
export async function findStream(context: CliContext, name: string): Promise<LoadedStream> {
  if (/\.ya?ml$/.test(name)) return context.loadStream(name)
  const problems: SettingProblem[] = []
  const names: string[] = []
  for (const file of await context.streamFiles([])) {
    try {
      const stream = await context.loadStream(file)
      if (stream.settings.name === name) return stream
      names.push(stream.settings.name)
    } catch (error) {
      if (!(error instanceof SettingsProblemsError)) throw error
      problems.push(...error.problems)
    }
  }
  if (problems.length > 0) throw new SettingsProblemsError(problems)
  throw new UsageError(`there is no stream ${name}${didYouMean(name, names)} (${names.join(', ')})`)
}
