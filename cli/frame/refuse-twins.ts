/**
 * Two sinks of one name into one table would stop each other for ever: each loses the other's range check. Two
 * streams that read one topic in one consumer group would each get a part of it.
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import { refuseSharedGroups } from '../../ingest/settings/index.ts'
import type { LoadedStream } from './context.ts'
import { UsageError } from './failure.ts'

export function refuseTwins(streams: readonly LoadedStream[]): void {
  const seen = new Map<string, string>()
  for (const { file, settings } of streams) {
    const key = `${settings.name} -> ${formatIdentifier(settings.output.table)}`
    const twin = seen.get(key)
    if (twin !== undefined) throw new UsageError(`${file} and ${twin} are the same stream: ${key}`)
    seen.set(key, file)
  }
  refuseSharedGroups(streams.map(({ settings }) => settings))
}
