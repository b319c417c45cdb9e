/** A verb that works on one table. */
import type { Command } from 'commander'

export function tableVerb(table: Command, name: string): Command {
  return table.command(name).argument('<table>', 'namespace.table')
}
