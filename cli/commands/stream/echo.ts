/** `tide stream echo`: the effective settings, as YAML that could be written back. */
import type { Command } from 'commander'
import { findLakeFile } from '../../../app/settings/index.ts'
import {
  type SettingEntry,
  formatEntries,
  formatOrigin,
  formatPath,
} from '../../../settings/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { type StreamFault, failForFaults, loadGoodStreams } from '../../frame/stream-files.ts'
import { streamVerb } from './stream-verb.ts'

/** The settings of one file, with where each comes from. */
interface EffectiveSettings {
  readonly file: string
  readonly entries: readonly SettingEntry[]
}

export function addEcho(stream: Command, context: CliContext): void {
  streamVerb(stream, 'echo', 'tidewater.yaml and streams/')
    .description('print the effective settings after files, environment and flags, secrets masked')
    .option('--origin', 'show for each value where it comes from')
    .action(async (files: readonly string[], { origin }: { readonly origin?: boolean }) => {
      const { documents, faults } = await effectiveSettings(context, files)
      if (context.globals.output.length > 0) await printEntries(context, documents)
      else context.write(yamlText(documents, origin === true))
      failForFaults(context, faults)
    })
}

async function effectiveSettings(
  context: CliContext,
  named: readonly string[],
): Promise<{
  readonly documents: readonly EffectiveSettings[]
  readonly faults: readonly StreamFault[]
}> {
  const files = await context.streamFiles(named)
  const { streams, faults } = await loadGoodStreams(context, files)
  if (named.length > 0) return { documents: streams, faults }
  const file = findLakeFile(context.directory, context.configFile) ?? 'tidewater.yaml'
  const { entries } = await context.loadLake()
  return { documents: [{ file, entries }, ...streams], faults }
}

function yamlText(documents: readonly EffectiveSettings[], withOrigin: boolean): string {
  return documents
    .map(({ file, entries }) => `# ${file}\n${formatEntries(entries, withOrigin)}`)
    .join('---\n')
}

async function printEntries(
  context: CliContext,
  documents: readonly EffectiveSettings[],
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
