/** `tide doctor`: one line per check, ok or fail, with the fix under a failed one; exit 1 on any. */
import type { Command } from 'commander'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createColors } from 'picocolors'
import {
  type DoctorCheck,
  bucketPolicies,
  checkInput,
  checkLake,
  checkNode,
  openLake,
} from '../../app/index.ts'
import { SettingsError, errorMessage } from '../../common/index.ts'
import { type LakeSettings, findLakeFile } from '../../app/settings/index.ts'
import { maskUrlCredentials } from '../../settings/index.ts'
import type { CliContext, LoadedStream } from '../frame/context.ts'
import { SilentFailure, UsageError } from '../frame/failure.ts'

interface DoctorOptions {
  readonly createBucket?: boolean
  readonly policies?: string
}

export function defineDoctor(doctor: Command, context: CliContext): void {
  doctor
    .description('check Node, settings, store (with a compare-and-swap race), clock and brokers')
    .argument('[files...]', 'stream files or directories (default: streams/)')
    .option('--create-bucket', 'create the bucket of the warehouse when it is missing')
    .option('--policies <dir>', 'write least-privilege policies for the bucket, one per role')
    .action((files: readonly string[], options: DoctorOptions) =>
      runDoctor(context, files, options),
    )
}

async function runDoctor(
  context: CliContext,
  named: readonly string[],
  options: DoctorOptions,
): Promise<void> {
  const checks: DoctorCheck[] = []
  const lines = context.format === 'table'
  for await (const check of allChecks(context, named, options)) {
    checks.push(check)
    if (lines) context.write(checkLines(check, context.color))
  }
  if (!lines) {
    await context.print({
      columns: ['check', 'ok', 'detail', 'fix'],
      rows: checks.map(({ name, ok, detail, fix }) => ({
        check: name,
        ok,
        detail,
        fix: fix ?? null,
      })),
    })
  }
  if (checks.some((check) => !check.ok)) throw new SilentFailure()
}

async function* allChecks(
  context: CliContext,
  named: readonly string[],
  options: DoctorOptions,
): AsyncGenerator<DoctorCheck> {
  yield checkNode(process.version)
  const streams: LoadedStream[] = []
  for (const file of await streamFiles(context, named)) {
    const { check, value } = await loaded(`settings ${file}`, () =>
      context.loadStream(file, 'fill'),
    )
    yield check
    if (value !== undefined) streams.push(value)
  }
  const lakeFile = findLakeFile(context.directory, context.configFile, named)
  const lake = await loaded(`settings ${lakeFile ?? 'without a file'}`, () =>
    context.loadLake(named),
  )
  yield lake.check
  if (lake.value !== undefined) yield* lakeChecks(context, lake.value.settings, options)
  const logger = (await context.logger()).with({ command: 'doctor' })
  for (const { settings } of streams) {
    yield* checkInput(settings.name, settings.input, { clock: context.clock, logger })
  }
}

async function* lakeChecks(
  context: CliContext,
  settings: LakeSettings,
  options: DoctorOptions,
): AsyncGenerator<DoctorCheck> {
  const lake = await openLake(settings, { clock: context.clock, logger: await context.logger() })
  context.onClose(() => lake.close())
  yield* checkLake(lake, {
    createBucket: options.createBucket === true,
    signal: context.signal,
  })
  if (options.policies === undefined) return
  if (lake.warehouse?.startsWith('s3://') !== true) {
    throw new UsageError('--policies needs a warehouse on s3://')
  }
  const directory = resolve(context.directory, options.policies)
  await mkdir(directory, { recursive: true })
  const policies = bucketPolicies(lake.warehouse)
  for (const { file, text } of policies) await writeFile(join(directory, file), text)
  const files = policies.map(({ file }) => join(options.policies ?? '', file)).join(', ')
  yield { name: 'policies', ok: true, detail: `wrote ${files}` }
}

/** A project may have no streams yet. */
async function streamFiles(
  context: CliContext,
  named: readonly string[],
): Promise<readonly string[]> {
  try {
    return await context.streamFiles(named)
  } catch (error) {
    if (named.length === 0 && error instanceof UsageError) return []
    throw error
  }
}

async function loaded<T>(
  name: string,
  load: () => Promise<T>,
): Promise<{ readonly check: DoctorCheck; readonly value?: T }> {
  try {
    return { check: { name, ok: true, detail: 'no fault' }, value: await load() }
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    const fix = 'correct the places named; tide stream lint checks again'
    return { check: { name, ok: false, detail: errorMessage(error), fix } }
  }
}

function checkLines({ name, ok, detail, fix }: DoctorCheck, color: boolean): string {
  const paint = createColors(color)
  const verdict = ok ? paint.green('ok  ') : paint.red('fail')
  const shown = maskUrlCredentials(detail).replaceAll('\n', '\n      ')
  const remedy = fix === undefined ? '' : `      fix: ${fix}\n`
  return `${verdict}  ${name}: ${shown}\n${remedy}`
}
