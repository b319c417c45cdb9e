/** `tide serve`: listens until SIGINT or SIGTERM, then finishes the requests under way. */
import type { Command } from 'commander'
import { once } from 'node:events'
import { openServer, requireSafeStore } from '../../app/index.ts'
import type { SettingOverride } from '../../settings/index.ts'
import { type AddressFlags, addressFlags, addressOverrides } from '../frame/address-flags.ts'
import type { CliContext } from '../frame/context.ts'
import { packageVersion } from '../frame/version.ts'

interface ServeOptions extends AddressFlags {
  readonly shareKeys?: boolean
}

export function defineServe(serve: Command, context: CliContext): void {
  addressFlags(serve)
    .description(
      'serve the catalog (Spark, Trino, PyIceberg, DuckDB) and SQL over HTTP until stopped',
    )
    .option('--share-keys', 'hand the S3 keys to clients, on loopback only (server.share_keys)')
    .action((options: ServeOptions) => runServe(context, options))
}

async function runServe(context: CliContext, options: ServeOptions): Promise<void> {
  context.addOverrides(overrides(options))
  const lake = await context.openLake()
  await requireSafeStore(lake)
  const server = await openServer(lake, lake.settings.server, packageVersion())
  const address = await server.start()
  context.onClose(() => server.stop())
  lake.logger.info('server.started', {
    address,
    warehouse: lake.warehouse ?? lake.settings.catalog.uri,
  })
  // The one line of stdout, for scripts that wait for it.
  context.write(`${address}\n`)
  if (!context.signal.aborted) await once(context.signal, 'abort')
  lake.logger.info('server.stopping')
}

function overrides(options: ServeOptions): readonly SettingOverride[] {
  return [
    ...addressOverrides(options),
    ...(options.shareKeys === true
      ? [{ path: 'server.share_keys', value: 'true', flag: '--share-keys' }]
      : []),
  ]
}
