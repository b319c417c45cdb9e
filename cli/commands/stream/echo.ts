/** `tide stream echo`: the effective settings, as YAML that could be written back. */
import type { Command } from 'commander'
import { type LakeSettings, findLakeFile } from '../../../app/settings/index.ts'
import {
  type Loaded,
  type SettingEntry,
  formatEntries,
  formatOrigin,
  formatPath,
} from '../../../settings/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { streamVerb } from './stream-verb.ts'

export function addEcho(stream: Command, context: CliContext): void {
  streamVerb(stream, 'echo', 'tidewater.yaml and streams/')
    .description('print the effective settings after files, environment and flags, secrets masked')
    .option('--origin', 'show for each value where it comes from')
    .action((files: readonly string[], { origin }: { readonly origin?: boolean }) =>
      echoSettings(context, files, origin === true),
    )
}

async function echoSettings(
  context: CliContext,
  named: readonly string[],
  withOrigin: boolean,
): Promise<void> {
  const streams = await context.loadStreams(await context.streamFiles(named))
  const documents: { readonly file: string; readonly entries: readonly SettingEntry[] }[] = []
  if (named.length === 0) {
    const lakeFile = findLakeFile(context.directory, context.configFile)
    const lake: Loaded<LakeSettings> = await context.loadLake()
    documents.push({ file: lakeFile ?? 'tidewater.yaml', entries: lake.entries })
  }
  documents.push(...streams)
  if (context.globals.output.length > 0) {
    await printEntries(context, documents)
    return
  }
  const texts = documents.map(
    ({ file, entries }) => `# ${file}\n${formatEntries(entries, withOrigin)}`,
  )
  context.write(texts.join('---\n'))
}

async function printEntries(
  context: CliContext,
  documents: readonly { readonly file: string; readonly entries: readonly SettingEntry[] }[],
): Promise<void> {
  await context.print({
    columns: ['file', 'key', 'value', 'origin'],
    wide: ['file'],
    rows: documents.flatMap(({ file, entries }) =>
      entries.map((entry) => ({
        file,
        key: formatPath(entry.path),
        value: entry.text,
        origin: formatOrigin(entry.origin),
      })),
    ),
  })
}
