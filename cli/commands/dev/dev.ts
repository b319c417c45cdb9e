/** `tide dev`: a whole project in one process, on this machine. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { DevFlags } from './run-dev.ts'

export function addDev(program: Command, context: CliContext): void {
  program
    .command('dev')
    .description(
      'run a project: its streams, maintenance, scheduled models, catalog and SQL over HTTP',
    )
    .option('--project <dir>', 'directory of the project (default: here)')
    .option('--host <address>', 'address to listen on (server.host, default 127.0.0.1)')
    .option('--port <port>', 'port, 0 for a free one (server.port, default 8181)')
    .action(async (flags: DevFlags) => {
      const { runDev } = await import('./run-dev.ts')
      await runDev(context, flags)
    })
}
