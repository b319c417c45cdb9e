/** `tide demo`: the demo's facts as aligned lines; progress where a person watches. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { createColors } from 'picocolors'
import { type DemoReporter, runDemo } from '../../demo/index.ts'
import { parseDuration } from '../../common/index.ts'
import type { CliContext } from '../frame/context.ts'
import { exitCodes, SilentFailure, UsageError } from '../frame/failure.ts'
import { formatReport } from '../frame/output.ts'

interface DemoFlags {
  readonly for?: string
  readonly rate?: string
  readonly records?: string
  readonly dir: string
  readonly keep?: boolean
  readonly check?: boolean
}

const nameWidth = 12
const valueWidth = 38

export function defineDemo(demo: Command, context: CliContext): void {
  demo
    .description(
      '3,000,000 flights in five acts: a kill, compaction, models, a replay, live answers; all checked',
    )
    .option('--for <duration>', 'replay no longer than this (default 60s)')
    .option('--rate <records>', 'records per second (default: full speed)')
    .option('--records <count>', 'replay only the first flights')
    .option('--dir <path>', 'project directory, replaced', 'demo-lake')
    .option('--keep', 'keep the directory even when the demo is interrupted')
    .option('--check', 'only check again what an earlier demo left')
    .action((flags: DemoFlags) => runDemoCommand(context, flags))
}

async function runDemoCommand(context: CliContext, flags: DemoFlags): Promise<void> {
  const passed = await run(context, flags).catch((error: unknown) => {
    if (!context.signal.aborted) throw error
    context.note('interrupted')
    throw new SilentFailure(exitCodes.interrupted)
  })
  if (!passed) {
    const colors = createColors(context.color)
    print(context, `\n${colors.red('the demo failed')}: a check above does not hold\n`)
    throw new SilentFailure()
  }
}

function run(context: CliContext, flags: DemoFlags): Promise<boolean> {
  const options = {
    directory: resolve(context.directory, flags.dir),
    from: context.directory,
    ...(flags.records === undefined ? {} : { records: count('--records', flags.records) }),
    ...(flags.rate === undefined ? {} : { recordsPerSecond: count('--rate', flags.rate) }),
    ...(flags.for === undefined ? {} : { durationMsMax: parseDuration(flags.for) }),
    keep: flags.keep === true,
    checkOnly: flags.check === true,
  }
  const { clock, signal } = context
  return runDemo(options, { reporter: demoReporter(context), clock, signal })
}

function demoReporter(context: CliContext): DemoReporter {
  const colors = createColors(context.color)
  const line = (mark: string, name: string, value: string, note = ''): void => {
    const rest = note === '' ? value : `${value.padEnd(valueWidth)}  ${colors.dim(note)}`
    print(context, `  ${mark}${name}  ${rest}`)
  }
  return {
    section: (title) => print(context, `\n${colors.bold(title)}`),
    fact: (name, value, note) => line('', name.padEnd(nameWidth), value, note),
    check: ({ name, passed, detail }) => {
      const mark = passed ? colors.green('ok  ') : colors.red('FAIL')
      line(`${mark}  `, name.padEnd(nameWidth), detail)
    },
    code: (text) => {
      for (const each of text.split('\n')) print(context, `  ${colors.cyan(each)}`)
    },
    table: async (names, rows) => {
      const columns = names.map((key, index) => ({
        key,
        ...(rows.every((row) => /^-?[\d.]+$/.test(row[index] ?? ''))
          ? { align: 'right' as const }
          : {}),
      }))
      const cells = rows.map((row) =>
        Object.fromEntries(names.map((name, index) => [name, row[index] ?? ''])),
      )
      const text = await formatReport({ columns, rows: cells }, 'table')
      print(context, `\n${text.trimEnd().replaceAll(/^/gm, '  ')}\n`)
    },
    progress: (now) => {
      if (now === undefined) return context.progress.done()
      const { label, produced, committed, snapshots } = now
      const lag = produced - committed
      context.progress.update({ label, records: committed, lag, commits: snapshots })
    },
  }
}

/** Through the progress line where both share one terminal, so that neither cuts the other. */
function print({ streams, progress }: CliContext, text: string): void {
  if (streams.stdout.isTTY === true && streams.stderr.isTTY === true) progress.print(text)
  else streams.stdout.write(`${text}\n`)
}

function count(flag: string, text: string): number {
  const value = Number(text.replaceAll(/[,_]/g, ''))
  if (Number.isInteger(value) && value > 0) return value
  throw new UsageError(`${flag} takes a whole number above 0, found "${text}"`)
}
