/** Reads settings files: one loader for `run`, `lint` and `echo`, so that lint is never blind to what run sees. */
import { readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { SettingsError, errorMessage } from '../../common/index.ts'
import {
  variableSource,
  refuseUnknownVariables,
  type SettingOverride,
  resolveSettingPath,
  type SettingsSchema,
  type Loaded,
} from '../../settings/index.ts'
import { lakeSchema, parseLakeSettings, type LakeSettings } from './lake-settings.ts'
import {
  parseStreamSettings,
  type StreamCheck,
  streamSchema,
  type StreamSettings,
} from '../../ingest/settings/index.ts'

export interface SettingsSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly overrides: readonly SettingOverride[]
  /** The directory the command runs in. */
  readonly directory: string
}

export const lakeFileName = 'tidewater.yaml'

/**
 * The settings file to use: the one named, else `tidewater.yaml` here, else beside or above the
 * streams' folder. undefined when there is none (flags and environment may suffice).
 */
export function findLakeFile(
  directory: string,
  named: string | undefined,
  streamFiles: readonly string[] = [],
): string | undefined {
  if (named !== undefined) return named
  const beside = streamFiles.flatMap((file) => {
    const folder = dirname(resolve(directory, file))
    return [folder, dirname(folder)]
  })
  const folder = [directory, ...beside].find((folder) => existsSync(join(folder, lakeFileName)))
  return folder === undefined ? undefined : shortPath(join(folder, lakeFileName), directory)
}

export async function loadLakeSettings(
  file: string | undefined,
  sources: SettingsSources,
): Promise<Loaded<LakeSettings>> {
  refuseUnknownVariables(sources.environment, [lakeSchema, streamSchema])
  return parseLakeSettings({
    text: file === undefined ? undefined : await readSettingsFile(file, sources.directory),
    file,
    variables: variableSource(sources.environment),
    overrides: withoutKeysOf(streamSchema, lakeSchema, sources.overrides),
    directory: sources.directory,
  })
}

export async function loadStreamSettings(
  file: string,
  sources: SettingsSources,
  check?: StreamCheck,
): Promise<Loaded<StreamSettings>> {
  refuseUnknownVariables(sources.environment, [lakeSchema, streamSchema])
  const input = {
    text: await readSettingsFile(file, sources.directory),
    file,
    variables: variableSource(sources.environment),
    overrides: withoutKeysOf(lakeSchema, streamSchema, sources.overrides),
    directory: sources.directory,
  }
  return parseStreamSettings(input, check)
}

/** A command line sets keys of both documents: each takes its own keys, and unknown ones in order to refuse them. */
function withoutKeysOf(
  other: SettingsSchema,
  own: SettingsSchema,
  overrides: readonly SettingOverride[],
): readonly SettingOverride[] {
  return overrides.filter(
    ({ path }) =>
      resolveSettingPath(own, path) !== undefined || resolveSettingPath(other, path) === undefined,
  )
}

/** `NAME=value` lines; names that the environment already has are kept (as Docker Compose does). */
export async function withEnvFile(
  environment: Readonly<Record<string, string | undefined>>,
  file: string,
  directory: string,
): Promise<Readonly<Record<string, string | undefined>>> {
  return { ...parseEnv(await readSettingsFile(file, directory)), ...environment }
}

async function readSettingsFile(file: string, directory: string): Promise<string> {
  try {
    return await readFile(resolve(directory, file), 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const reason = missing ? 'no such file' : errorMessage(error)
    throw new SettingsError(`cannot read ${file}: ${reason}`, { cause: error })
  }
}

function shortPath(path: string, directory: string): string {
  const short = relative(directory, path)
  return short.startsWith('..') ? path : short
}
