/** `tide table health`: each check with its state, what is wrong and the command that repairs it; exit 1 when one is not ok. */
import type { Command } from 'commander'
import { lakeTableHealth } from '../../../app/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure } from '../../frame/failure.ts'
import { tableVerb } from './table-verb.ts'

export function addHealth(table: Command, context: CliContext): void {
  tableVerb(table, 'health')
    .description(
      'small files, deletes, manifests, snapshots, replays: what is wrong, why, and the cure',
    )
    .action((name: string) => showHealth(context, name))
}

async function showHealth(context: CliContext, name: string): Promise<void> {
  const lake = await context.openLake()
  const checks = await lakeTableHealth(lake, parseTableName(name))
  await context.print({
    columns: ['check', 'ok', 'state', 'reason', 'cure'],
    rows: checks.map(({ check, isOk, state, reason, cure }) => ({
      check,
      ok: isOk,
      state,
      reason: reason ?? null,
      cure: cure ?? null,
    })),
  })
  if (checks.some(({ isOk }) => !isOk)) throw new SilentFailure()
}
