/** `tide serve`: listens until SIGINT or SIGTERM, then finishes the requests under way. */
import type { Command } from 'commander'
import { once } from 'node:events'
import { openServer, requireSafeStore } from '../../app/index.ts'
import type { SettingOverride } from '../../settings/index.ts'
import type { CliContext } from '../frame/context.ts'
import { packageVersion } from '../frame/version.ts'

interface ServeOptions {
  readonly host?: string
  readonly port?: string
  readonly shareKeys?: boolean
}

export function defineServe(serve: Command, context: CliContext): void {
  serve
    .option('--host <address>', 'address to listen on (server.host, default 127.0.0.1)')
    .option('--port <port>', 'port, 0 for a free one (server.port, default 8181)')
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
  const { host, port, shareKeys } = options
  return [
    ...(host === undefined ? [] : [{ path: 'server.host', value: host, flag: '--host' }]),
    ...(port === undefined ? [] : [{ path: 'server.port', value: port, flag: '--port' }]),
    ...(shareKeys === true
      ? [{ path: 'server.share_keys', value: 'true', flag: '--share-keys' }]
      : []),
  ]
}
