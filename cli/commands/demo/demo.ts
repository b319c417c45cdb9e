/** `tide demo`: everything that Tidewater does, with three million records on this machine. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { DemoFlags } from './run-demo.ts'

export function addDemo(program: Command, context: CliContext): void {
  program
    .command('demo')
    .description(
      '3,000,000 flights in five acts: a kill, compaction, models, a replay, live answers; all checked',
    )
    .option('--for <duration>', 'replay no longer than this (default 60s)')
    .option('--rate <records>', 'records per second (default: full speed)')
    .option('--records <count>', 'replay only the first flights')
    .option('--dir <path>', 'project directory, made anew', 'demo-lake')
    .option('--keep', 'keep the directory even when the demo is interrupted')
    .option('--check', 'only check again what an earlier demo left')
    .action(async (flags: DemoFlags) => {
      const { runDemoCommand } = await import('./run-demo.ts')
      await runDemoCommand(context, flags)
    })
}
