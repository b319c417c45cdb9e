/** `tide schedule`: models as their cron says, until it is stopped. */
import type { Command } from 'commander'
import { selectModels } from '../../../batch-jobs/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure, UsageError } from '../../frame/failure.ts'
import { type ModelFlags, openJobs, selection, selectionFlags, threadsOf } from './model-flags.ts'
import { noModels, nothingChosen } from '../../frame/nothing-chosen.ts'
import { note, resultsReport } from './run-models.ts'

export function defineSchedule(schedule: Command, context: CliContext): void {
  selectionFlags(schedule)
    .description('run models as their cron says (UTC), until stopped; missed runs are made up for')
    .option('--once', 'run what is due now, then exit')
    .option('--threads <n>', 'models at a time (default 1)')
    .option('--vars <yaml>', "what var('name') gives")
    .action((flags: ModelFlags) => runSchedule(context, flags))
}

async function runSchedule(context: CliContext, flags: ModelFlags): Promise<void> {
  const threads = threadsOf(flags)
  const jobs = await openJobs(context, flags)
  const scheduler = jobs.scheduler({
    ...selection(flags),
    threads,
    onResult: (result) => note(context, result),
  })
  const { models } = jobs.project
  const { select, exclude } = selection(flags)
  const chosen = selectModels(models, select, exclude)
  if (models.length > 0 && chosen.length === 0) {
    throw new UsageError(nothingChosen(models, chosen, 'run'))
  }
  const scheduled = scheduler.models.filter((model) => chosen.includes(model))
  if (scheduled.length === 0) {
    throw new UsageError("no model has a cron: write cron='0 * * * *' into the config of one")
  }
  if (flags.once === true) {
    const results = await scheduler.runDue()
    if (results === undefined) {
      context.note('nothing is due')
      return
    }
    await context.print(resultsReport(results, noModels))
    if (!results.ok) throw new SilentFailure()
    return
  }
  for (const { name, config } of scheduled) context.note(`${name}: ${config.cron ?? ''}`)
  scheduler.start()
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve()
    context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await scheduler.stop()
}
