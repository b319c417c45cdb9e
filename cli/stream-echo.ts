/** `tide stream echo`: the settings that hold, as YAML that could be written back. */
import { Document, isMap, isSeq } from 'yaml'
import {
  type LakeSettings,
  type Loaded,
  type SettingEntry,
  findLakeFile,
  formatOrigin,
  formatPath,
} from '../common/settings/index.ts'
import type { CliContext } from './context.ts'

export async function echoSettings(
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
  const texts = documents.map(({ file, entries }) => `# ${file}\n${asYaml(entries, withOrigin)}`)
  context.write(texts.join('---\n'))
}

async function printEntries(
  context: CliContext,
  documents: readonly { readonly file: string; readonly entries: readonly SettingEntry[] }[],
): Promise<void> {
  await context.print({
    columns: [{ key: 'file', wide: true }, { key: 'key' }, { key: 'value' }, { key: 'origin' }],
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

function asYaml(entries: readonly SettingEntry[], withOrigin: boolean): string {
  const document = new Document({})
  for (const { path, text, origin } of entries) {
    placeContainers(document, path)
    const node = document.createNode(text)
    if (withOrigin) node.comment = ` ${formatOrigin(origin)}`
    document.setIn(path, node)
  }
  return document.toString({ lineWidth: 0 })
}

/** A list and not a map must stand where the next step of a path is a number. */
function placeContainers(document: Document, path: readonly (string | number)[]): void {
  for (let length = 1; length < path.length; length++) {
    const parent = path.slice(0, length)
    const found: unknown = document.getIn(parent, true)
    if (isMap(found) || isSeq(found)) continue
    document.setIn(parent, document.createNode(typeof path[length] === 'number' ? [] : {}))
  }
}
