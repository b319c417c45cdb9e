/** `tide build | run | test | snapshot | ls | compile | retry | schedule`: models, in dbt's verbs. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { ModelFlags } from './model-flags.ts'

const verbs = {
  build: 'build models and snapshots in order, each followed by its tests',
  run: 'build models, without snapshots and tests',
  test: 'run the tests of models on the tables as they are',
  snapshot: 'bring snapshots (SCD Type 2) up to date',
} as const

export function addModels(program: Command, context: CliContext): void {
  for (const [verb, description] of Object.entries(verbs)) {
    const command = selecting(program.command(verb).description(description))
      .option('--threads <n>', 'models at a time (default 1)')
      .option('--vars <yaml>', "what var('name') gives, such as '{day: 2024-01-01}'")
    if (verb !== 'test') {
      command.option('-f, --full-refresh', 'compute everything anew')
      if (verb !== 'run') command.option('--discard-history', 'of snapshots too, for good')
    }
    if (verb === 'build' || verb === 'run') {
      command
        .option('--event-time-start <time>', 'intervals from this time on, done or not')
        .option('--event-time-end <time>', 'intervals before this time')
    }
    command.action(async (options: ModelFlags) => {
      const { runModels } = await import('./run-models.ts')
      await runModels(context, verb as keyof typeof verbs, options)
    })
  }
  addLooking(program, context)
  addSchedule(program, context)
}

function addLooking(program: Command, context: CliContext): void {
  selecting(program.command('ls').alias('list').description('list models and snapshots')).action(
    async (options: ModelFlags) => {
      const { listModels } = await import('./ls.ts')
      await listModels(context, options)
    },
  )

  selecting(
    program
      .command('compile')
      .description('write the SQL of models to target/compiled; run nothing'),
  )
    .option('--vars <yaml>', "what var('name') gives")
    .action(async (options: ModelFlags) => {
      const { compileModels } = await import('./ls.ts')
      await compileModels(context, options)
    })

  projectOption(
    program.command('retry').description('the last run again, from its first failed node'),
  ).action(async (options: ModelFlags) => {
    const { retryModels } = await import('./run-models.ts')
    await retryModels(context, options)
  })
}

function addSchedule(program: Command, context: CliContext): void {
  selecting(
    program
      .command('schedule')
      .description(
        'run models as their cron says (UTC), until stopped; what was missed is made up for',
      ),
  )
    .option('--once', 'run what is due now, then exit')
    .option('--threads <n>', 'models at a time (default 1)')
    .option('--vars <yaml>', "what var('name') gives")
    .action(async (options: ModelFlags) => {
      const { runSchedule } = await import('./schedule.ts')
      await runSchedule(context, options)
    })
}

function selecting(command: Command): Command {
  return projectOption(command)
    .option('-s, --select <words...>', 'names, +m, m+, tag:, path:, config.materialized:')
    .option('--exclude <words...>', 'the same words, left out')
}

function projectOption(command: Command): Command {
  return command.option(
    '--project-dir <dir>',
    'where models/ lies (default: beside tidewater.yaml)',
  )
}
