/** The flags of the model verbs, checked, and the project that they are about. */
import type { Command } from 'commander'
import { dirname, resolve } from 'node:path'
import { openBatchJobs, type LakeBatchJobs } from '../../../app/index.ts'
import { findLakeFile } from '../../../app/settings/index.ts'
import { parseVars } from '../../../batch-jobs/settings/index.ts'
import { parseTime } from '../../../settings/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'

export interface ModelFlags {
  readonly select?: readonly string[]
  readonly exclude?: readonly string[]
  readonly threads?: string
  readonly vars?: string
  readonly fullRefresh?: boolean
  readonly discardHistory?: boolean
  readonly eventTimeStart?: string
  readonly eventTimeEnd?: string
  readonly projectDir?: string
  readonly once?: boolean
}

const threadsMax = 64

export async function openJobs(context: CliContext, flags: ModelFlags): Promise<LakeBatchJobs> {
  const lake = await context.openLake()
  const jobs = await openBatchJobs(lake, {
    directory: projectDirectory(context, flags),
    environment: await context.wholeEnvironment(),
    ...(flags.vars === undefined ? {} : { vars: parseVars(flags.vars) }),
  })
  context.onClose(() => jobs.close())
  return jobs
}

export function projectDirectory(context: CliContext, { projectDir }: ModelFlags): string {
  if (projectDir !== undefined) return resolve(context.directory, projectDir)
  const file = findLakeFile(context.directory, context.configFile)
  return file === undefined ? context.directory : dirname(resolve(context.directory, file))
}

export function selection(flags: ModelFlags): {
  readonly select: readonly string[]
  readonly exclude: readonly string[]
} {
  return { select: flags.select ?? [], exclude: flags.exclude ?? [] }
}

export function threadsOf({ threads }: ModelFlags): number {
  if (threads === undefined) return 1
  const count = Number(threads)
  if (Number.isInteger(count) && count >= 1 && count <= threadsMax) return count
  throw new UsageError(`--threads takes a number from 1 to ${threadsMax}, found "${threads}"`)
}

export function windowOf({
  eventTimeStart,
  eventTimeEnd,
}: ModelFlags): { readonly startMs?: number; readonly endMs?: number } | undefined {
  if (eventTimeStart === undefined && eventTimeEnd === undefined) return undefined
  const window = {
    ...(eventTimeStart === undefined ? {} : { startMs: parseTime(eventTimeStart) }),
    ...(eventTimeEnd === undefined ? {} : { endMs: parseTime(eventTimeEnd) }),
  }
  const { startMs = Number.NEGATIVE_INFINITY, endMs = Number.POSITIVE_INFINITY } = window
  if (startMs < endMs) return window
  throw new UsageError('--event-time-start must lie before --event-time-end')
}

/** The flags of every command that works on a selection of models. */
export function selectionFlags(command: Command): Command {
  return projectFlag(command)
    .option('-s, --select <words...>', 'names, +m, m+, tag:, path:, config.materialized:')
    .option('--exclude <words...>', 'the same words, left out')
}

export function projectFlag(command: Command): Command {
  return command.option(
    '--project-dir <dir>',
    'where models/ lies (default: beside tidewater.yaml)',
  )
}
