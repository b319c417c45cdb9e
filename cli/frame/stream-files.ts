/**
 * The streams of a project, where one faulty file must not keep from the others: what can be loaded, and what is
 * wrong with the rest.
 */
import { LakeError, SettingsError } from '../../common/index.ts'
import { formatIdentifier } from '../../catalog/format/index.ts'
import { sharedGroups, sharedGroupText } from '../../ingest/settings/index.ts'
import type { CliContext, LoadedStream, StreamPurpose } from './context.ts'
import { SilentFailure, UsageError } from './failure.ts'

export interface StreamFault {
  readonly file: string
  /** Lines of `file:line:col key: message` for faults of settings. */
  readonly error: LakeError
}

export interface GoodStreams {
  /** At least one. */
  readonly streams: readonly LoadedStream[]
  readonly faults: readonly StreamFault[]
}

/** Throws when no file can be used, with the faults of all. */
export async function loadGoodStreams(
  context: CliContext,
  files: readonly string[],
  purpose?: StreamPurpose,
): Promise<GoodStreams> {
  const loaded: LoadedStream[] = []
  const faults: StreamFault[] = []
  for (const file of files) {
    try {
      loaded.push(await context.loadStream(file, purpose))
    } catch (error) {
      if (!(error instanceof LakeError)) throw error
      faults.push({ file, error })
    }
  }
  const twins = purpose === 'fill' ? [...twinFaults(loaded), ...groupFaults(loaded)] : []
  const streams = loaded.filter(({ file }) => !twins.some((twin) => twin.file === file))
  const all = [...faults, ...twins]
  if (streams.length > 0 || all.length === 0) return { streams, faults: all }
  if (all.length === 1 || twins.length > 0) throw all[0]?.error
  // Every fault of every file in one message.
  await context.loadStreams(files, purpose)
  throw all[0]?.error
}

/** Prints what is wrong with the faulty files, and ends the command with 1. */
export function failForFaults(context: CliContext, faults: readonly StreamFault[]): void {
  for (const { error } of faults) context.note(error.message)
  if (faults.length > 0) throw new SilentFailure()
}

/** Two sinks of one name into one table would stop each other for ever: each loses the other's range check. */
function twinFaults(streams: readonly LoadedStream[]): readonly StreamFault[] {
  return streams.flatMap((stream) => {
    const key = keyOf(stream)
    const twin = streams.find((other) => other !== stream && keyOf(other) === key)
    if (twin === undefined) return []
    const error = new UsageError(`${stream.file} and ${twin.file} are the same stream: ${key}`)
    return [{ file: stream.file, error }]
  })
}

/** Two streams that read one topic in one consumer group would each get a part of it: neither is read. */
function groupFaults(streams: readonly LoadedStream[]): readonly StreamFault[] {
  const fileOf = new Map(streams.map(({ file, settings }) => [settings, file]))
  return sharedGroups(streams.map(({ settings }) => settings)).flatMap((shared) => {
    const { stream, other } = shared
    return [shared, { ...shared, stream: other, other: stream }].map((each) => ({
      file: fileOf.get(each.stream) ?? '',
      error: new SettingsError(sharedGroupText(each), { facts: { stream: each.stream.name } }),
    }))
  })
}

function keyOf({ settings }: LoadedStream): string {
  return `${settings.name} -> ${formatIdentifier(settings.output.table)}`
}
