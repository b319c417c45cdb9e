/** `--host` and `--port` of the commands that listen. */
import type { Command } from 'commander'
import type { SettingOverride } from '../../settings/index.ts'

export interface AddressFlags {
  readonly host?: string
  readonly port?: string
}

export function addressFlags(command: Command): Command {
  return command
    .option('--host <address>', 'address to listen on (server.host, default 127.0.0.1)')
    .option('--port <port>', 'port, 0 for a free one (server.port, default 8181)')
}

export function addressOverrides({ host, port }: AddressFlags): readonly SettingOverride[] {
  return [
    ...(host === undefined ? [] : [{ path: 'server.host', value: host, flag: '--host' }]),
    ...(port === undefined ? [] : [{ path: 'server.port', value: port, flag: '--port' }]),
  ]
}
