/** `tide dev`: prints the addresses, then runs until SIGINT or SIGTERM. */
import type { Command } from 'commander'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { openLake, startDev } from '../../app/index.ts'
import { formatIdentifier } from '../../catalog/format/index.ts'
import { formatDuration } from '../../common/index.ts'
import { findLakeFile } from '../../app/settings/index.ts'
import { type AddressFlags, addressFlags, addressOverrides } from '../frame/address-flags.ts'
import type { CliContext, LoadedStream } from '../frame/context.ts'
import { UsageError } from '../frame/failure.ts'
import { type GoodStreams, loadGoodStreams } from '../frame/stream-files.ts'
import { packageVersion } from '../frame/version.ts'

interface DevFlags extends AddressFlags {
  readonly project?: string
}

export function defineDev(dev: Command, context: CliContext): void {
  dev
    .description(
      'run a project: its streams, maintenance, scheduled models, catalog and SQL over HTTP',
    )
    .option('--project <dir>', 'directory of the project (default: here)')
    .action((flags: DevFlags) => runDev(context, flags))
  addressFlags(dev)
}

async function runDev(context: CliContext, flags: DevFlags): Promise<void> {
  context.addOverrides(addressOverrides(flags))
  const { directory, lakeFile } = findProject(context, flags)
  const { streams, faults } = await loadStreams(context, directory)
  const { settings } = await context.loadLake([], lakeFile)
  const lake = await openLake(settings, { clock: context.clock, logger: await context.logger() })
  context.onClose(() => lake.close())
  const dev = await startDev(lake, {
    directory,
    streams: streams.map((stream) => stream.settings),
    environment: await context.wholeEnvironment(),
    version: packageVersion(),
  })
  context.onClose(() => dev.stop())
  for (const { file, error } of faults) {
    lake.logger.error('stream.not-started', { file, error: error.message })
  }
  lake.logger.info('dev.started', { address: dev.address, streams: streams.length })
  // The first line of stdout, for scripts that wait for it; the rest is for people.
  context.write(`${dev.address}\n`)
  for (const [name, value] of [
    ['project', relative(context.directory, directory) || '.'],
    ['warehouse', lake.warehouse ?? settings.catalog.uri ?? ''],
    ...streams.map(streamLine),
    ...faults.map(({ file }) => ['faulty', `${file} (tide stream lint says why)`] as const),
    ['models', dev.scheduledModels.join(', ') || 'none with a cron'],
    ['upkeep', upkeepText(settings.maintenance)],
    ['sql', `tide sql --server ${dev.address}, or POST ${dev.address}/query`],
    ['catalog', `Iceberg REST at ${dev.address}`],
  ]) {
    context.note(`  ${(name ?? '').padEnd(10)} ${value ?? ''}`)
  }
  if (!context.signal.aborted) await once(context.signal, 'abort')
  context.note('stopping: committing what was read')
  await dev.stop()
}

/** A project is the folder of its `tidewater.yaml`. */
function findProject(
  context: CliContext,
  { project }: DevFlags,
): { readonly directory: string; readonly lakeFile: string | undefined } {
  const named = context.configFile
  if (project === undefined) {
    const file = findLakeFile(context.directory, named)
    const directory = file === undefined ? '.' : dirname(file)
    return { directory: resolve(context.directory, directory), lakeFile: file }
  }
  const directory = resolve(context.directory, project)
  const file = join(directory, 'tidewater.yaml')
  if (named !== undefined) return { directory, lakeFile: named }
  if (!existsSync(file)) {
    throw new UsageError(`no tidewater.yaml in ${project}: tide init ${project} writes one`)
  }
  return { directory, lakeFile: file }
}

/** A project may have no streams: models and queries may read tables that other processes fill. */
async function loadStreams(context: CliContext, directory: string): Promise<GoodStreams> {
  const folder = join(directory, 'streams')
  if (!existsSync(folder)) return { streams: [], faults: [] }
  const files = await context.streamFiles([folder]).catch((error: unknown) => {
    if (error instanceof UsageError) return []
    throw error
  })
  return loadGoodStreams(context, files, 'fill')
}

function streamLine({ settings }: LoadedStream): readonly [string, string] {
  const { input, output } = settings
  const from = `${input.kind} ${input.topics.join(', ')}`
  return ['stream', `${settings.name}: ${from} -> ${formatIdentifier(output.table)}`]
}

function upkeepText(settings: { readonly enabled: boolean; readonly intervalMs: number }): string {
  if (!settings.enabled) return 'off (maintenance.enabled)'
  return `compaction and expiry every ${formatDuration(settings.intervalMs)}`
}
