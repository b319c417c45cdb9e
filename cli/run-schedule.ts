/** `tide schedule`: models as their cron says, until somebody stops it. */
import type { CliContext } from './context.ts'
import { SilentFailure, UsageError } from './failure.ts'
import { type ModelFlags, openJobs, selection, threadsOf } from './model-flags.ts'
import { note, resultsReport } from './run-models.ts'

export async function runSchedule(context: CliContext, flags: ModelFlags): Promise<void> {
  const threads = threadsOf(flags)
  const jobs = await openJobs(context, flags)
  const scheduler = jobs.scheduler({
    ...selection(flags),
    threads,
    onResult: (result) => note(context, result),
  })
  if (scheduler.models.length === 0) {
    throw new UsageError("no model has a cron: write cron='0 * * * *' into the config of one")
  }
  if (flags.once === true) {
    const results = await scheduler.runDue()
    if (results === undefined) {
      context.note('nothing is due')
      return
    }
    await context.print(resultsReport(results))
    if (!results.ok) throw new SilentFailure()
    return
  }
  for (const { name, config } of scheduler.models) context.note(`${name}: ${config.cron ?? ''}`)
  scheduler.start()
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve()
    context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await scheduler.stop()
}
