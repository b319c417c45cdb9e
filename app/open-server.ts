/** The HTTP port over a lake: catalog and queries. */
import type { ServerSettings } from './settings/lake-settings.ts'
import type { Server, ServerOptions } from '../server/index.ts'
import type { Lake } from './lake.ts'
import type { ServerLayers } from './open-live.ts'
import { openQueryService } from './open-query-service.ts'

/** `start` listens. Throws SettingsError for a server that other machines could use without a token. */
export async function openServer(
  lake: Lake,
  settings: ServerSettings,
  version: string,
  layers: ServerLayers = {},
): Promise<Server> {
  const { createServer } = await import('../server/index.ts')
  const { token, allowedHosts } = settings
  const queries = await openQueryService(lake, layers)
  const freshness = layers.live?.freshness?.bind(layers.live)
  const closeQueries = async (): Promise<void> => queries?.close()
  const options: ServerOptions = {
    catalog: lake.catalog,
    host: settings.host,
    port: settings.port,
    ...(token === undefined ? {} : { token }),
    allowedHosts,
    tableConfig: tableConfig(lake, settings.shareKeys),
    ...(queries === undefined ? {} : { queries }),
    ...(freshness === undefined ? {} : { freshness }),
    version,
    logger: lake.logger,
    clock: lake.clock,
    random: lake.random,
  }
  try {
    const server = createServer(options)
    return {
      start: () => server.start(),
      stop: async () => {
        try {
          await server.stop()
        } finally {
          await closeQueries()
        }
      },
    }
  } catch (error) {
    await closeQueries()
    throw error
  }
}

/** What a client needs beside the table to read its files; keys only where the settings say so. */
function tableConfig(lake: Lake, shareKeys: boolean): Readonly<Record<string, string>> {
  const { s3 } = lake.settings.catalog
  if (lake.warehouse?.startsWith('s3://') !== true) return {}
  const keys = shareKeys
    ? {
        's3.access-key-id': s3.accessKeyId,
        's3.secret-access-key': s3.secretAccessKey,
        's3.session-token': s3.sessionToken,
      }
    : {}
  const config = {
    's3.endpoint': s3.endpoint,
    's3.region': s3.region ?? (s3.endpoint === undefined ? undefined : 'us-east-1'),
    's3.path-style-access': String(s3.pathStyleAccess),
    ...keys,
  }
  const set = Object.entries(config).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, value]],
  )
  return Object.fromEntries(set)
}
