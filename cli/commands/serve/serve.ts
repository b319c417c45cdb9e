/** `tide serve`: the Iceberg REST catalog for other engines, and SQL over HTTP. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'

export interface ServeOptions {
  readonly host?: string
  readonly port?: string
  readonly shareKeys?: boolean
}

export function addServe(program: Command, context: CliContext): void {
  program
    .command('serve')
    .description(
      'serve the catalog (Spark, Trino, PyIceberg, DuckDB) and SQL over HTTP until stopped',
    )
    .option('--host <address>', 'address to listen on (server.host, default 127.0.0.1)')
    .option('--port <port>', 'port, 0 for a free one (server.port, default 8181)')
    .option('--share-keys', 'hand the S3 keys to clients, on loopback only (server.share_keys)')
    .action(async (options: ServeOptions) => {
      const { runServe } = await import('./run-serve.ts')
      await runServe(context, options)
    })
}
