/** `tide stream lint`: the loader of `run` itself, over every file, plus what only several files show. */
import type { Command } from 'commander'
import { basename } from 'node:path'
import { LakeError } from '../../../common/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import { propertyNotes } from '../../../catalog/table/index.ts'
import { findLakeFile } from '../../../app/settings/index.ts'
import {
  type SettingProblem,
  SettingsProblemsError,
  formatOrigin,
  formatPath,
  formatProblem,
} from '../../../settings/index.ts'
import { sharedGroups, sharedGroupText } from '../../../ingest/settings/index.ts'
import type { CliContext, LoadedStream } from '../../frame/context.ts'
import { SilentFailure } from '../../frame/failure.ts'
import { streamVerb } from './stream-verb.ts'

/** Prints one line per fault; throws SilentFailure (exit 1) when there is one. */
export function addLint(stream: Command, context: CliContext): void {
  streamVerb(stream, 'lint', 'tidewater.yaml and streams/')
    .description('check settings as run reads them; exit 1 on any fault')
    .action((files: readonly string[]) => lintFiles(context, files))
}

async function lintFiles(context: CliContext, named: readonly string[]): Promise<void> {
  const isLakeFile = (file: string): boolean => /^tidewater\.ya?ml$/.test(basename(file))
  const lakeFile = findLakeFile(context.directory, context.configFile)
  const streamNames = named.filter((name) => !isLakeFile(name))
  const wantsLake = named.length === 0 ? lakeFile !== undefined : named.some(isLakeFile)
  const onlyLake = wantsLake && streamNames.length === 0 && named.length > 0
  const problems: SettingProblem[] = []
  const files: string[] = []
  if (wantsLake) {
    const file = named.find(isLakeFile) ?? lakeFile
    if (file !== undefined) files.push(file)
    await gather(problems, () => context.loadLake([], file))
  }
  const streams: LoadedStream[] = []
  const streamFiles = onlyLake ? [] : await streamFilesOrNone(context, streamNames, wantsLake)
  for (const file of streamFiles) {
    files.push(file)
    const loaded = await gather(problems, () => context.loadStream(file, 'fill'))
    if (loaded !== undefined) streams.push(loaded)
  }
  problems.push(...sameNames(streams), ...sameGroups(streams))
  for (const problem of problems) context.write(`${formatProblem(problem)}\n`)
  for (const line of streams.flatMap(storedOnly)) context.write(`${line}\n`)
  if (problems.length > 0) throw new SilentFailure()
  context.note(`${files.length} ${files.length === 1 ? 'file' : 'files'} checked, no fault`)
}

async function streamFilesOrNone(
  context: CliContext,
  names: readonly string[],
  hasLake: boolean,
): Promise<readonly string[]> {
  try {
    return await context.streamFiles(names)
  } catch (error) {
    // A project may begin with nothing but tidewater.yaml.
    if (hasLake && names.length === 0) return []
    throw error
  }
}

async function gather<T>(
  problems: SettingProblem[],
  load: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await load()
  } catch (error) {
    if (error instanceof SettingsProblemsError) problems.push(...error.problems)
    // A file that cannot be read is a fault of that file, and the others are checked all the same.
    else if (error instanceof LakeError) {
      problems.push({ path: [], origin: { kind: 'default' }, message: error.message })
    } else throw error
    return undefined
  }
}

/** Offsets are kept per stream name in the table, so a name stands for one stream. */
function sameNames(streams: readonly LoadedStream[]): readonly SettingProblem[] {
  return streams.flatMap((stream, index) => {
    const { name, output } = stream.settings
    const twin = streams
      .slice(0, index)
      .find(
        ({ settings }) =>
          settings.name === name &&
          formatIdentifier(settings.output.table) === formatIdentifier(output.table),
      )
    if (twin === undefined) return []
    const entry = stream.entries.find(({ path }) => formatPath(path) === 'name')
    return [
      {
        path: ['name'],
        origin: entry?.origin ?? { kind: 'default' },
        message: `"${name}" with the same table is also in ${twin.file}`,
      },
    ]
  })
}

/** Members of a group share the partitions of a topic. */
function sameGroups(streams: readonly LoadedStream[]): readonly SettingProblem[] {
  return sharedGroups(streams.map(({ settings }) => settings)).flatMap((shared) => {
    const loaded = streams.find(({ settings }) => settings === shared.stream)
    const path = ['input', 'kafka', 'consumer_group']
    const entry = loaded?.entries.find((each) => formatPath(each.path) === formatPath(path))
    const origin = entry?.origin ?? { kind: 'default' as const }
    return [{ path, origin, message: sharedGroupText(shared) }]
  })
}

function storedOnly(stream: LoadedStream): readonly string[] {
  return stream.entries.flatMap(({ path, origin }) => {
    if (path.length !== 4 || path[2] !== 'properties' || path[0] !== 'output') return []
    const place = `${formatOrigin(origin)} ${formatPath(path)}`
    const notes = propertyNotes({ [String(path[3])]: '' })
    return notes.map((note) => `${place}: ${note} (warning)`)
  })
}
