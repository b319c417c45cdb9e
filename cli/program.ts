/**
 * The tree of commands. What a command of the top level consists of is loaded when `args` name it, so that a
 * command loads no more than it needs.
 */
import { Command, CommanderError } from 'commander'
import { choiceOption } from './frame/choice-option.ts'
import { collect } from './frame/collect.ts'
import type { CliContext, GlobalOptions } from './frame/context.ts'
import { withDoubleDashes } from './frame/duckdb-dashes.ts'
import { exitCodes } from './frame/failure.ts'
import { logFormats, logLevels } from './frame/logging.ts'
import { operandIndex } from './frame/operand-index.ts'
import { outputFormats } from './frame/output.ts'
import { packageVersion } from './frame/version.ts'

/** Gives a command its description, arguments, flags, work and the commands below it. */
type Define = (command: Command, context: CliContext) => void

/** The commands of the top level, in the order of help. */
const topCommands: Readonly<Record<string, () => Promise<Define>>> = {
  init: async () => (await import('./commands/init.ts')).defineInit,
  dev: async () => (await import('./commands/dev.ts')).defineDev,
  demo: async () => (await import('./commands/demo.ts')).defineDemo,
  doctor: async () => (await import('./commands/doctor.ts')).defineDoctor,
  serve: async () => (await import('./commands/serve.ts')).defineServe,
  sql: async () => (await import('./commands/sql.ts')).defineSql,
  stream: async () => (await import('./commands/stream/stream.ts')).defineStream,
  topic: async () => (await import('./commands/topic/topic.ts')).defineTopic,
  table: async () => (await import('./commands/table/table.ts')).defineTable,
  build: () => loadVerb('build'),
  run: () => loadVerb('run'),
  test: () => loadVerb('test'),
  snapshot: () => loadVerb('snapshot'),
  ls: async () => (await import('./commands/models/ls.ts')).defineModelLs,
  compile: async () => (await import('./commands/models/compile.ts')).defineCompile,
  retry: async () => (await import('./commands/models/run-models.ts')).defineRetry,
  schedule: async () => (await import('./commands/models/schedule.ts')).defineSchedule,
  completion: async () => (await import('./commands/completion/completion.ts')).defineCompletion,
}

/** Runs the command that `args` name; returns the exit code, throws what the command throws. */
export async function parseCommandLine(
  args: readonly string[],
  context: CliContext,
): Promise<number> {
  const program = createProgram()
  const withValue = flagsWithValue(program)
  await addCommands(program, context, commandAlone(args, operandIndex(args, withValue)))
  attach(program, context)
  try {
    await program.parseAsync([...withDoubleDashes(args, withValue)], { from: 'user' })
    return exitCodes.fine
  } catch (error) {
    // Commander has printed its message already; help and version are no failures.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage
    throw error
  }
}

function createProgram(): Command {
  return new Command('tide')
    .description('Kafka topics become Apache Iceberg tables on a bucket; one SQL answers over them')
    .version(packageVersion(), '-V, --version')
    .option('--config <file>', 'settings file (default: tidewater.yaml; env TIDEWATER_CONFIG)')
    .option('--warehouse <location>', 's3://bucket/prefix or a directory (catalog.warehouse)')
    .option('--uri <url>', 'an Iceberg REST catalog (catalog.uri)')
    .option('--set <path=value>', 'set any key of the settings; repeatable', collect, [])
    .option('--env-file <file>', 'read NAME=value lines; the real environment goes first')
    .addOption(
      choiceOption('-o, --output <format>', 'how results are printed', outputFormats)
        .argParser(collect)
        .default([]),
    )
    .addOption(
      choiceOption('--log-level <level>', 'log this level and above (default info)', logLevels),
    )
    .addOption(
      choiceOption(
        '--log-format <format>',
        'how logs are printed (default: text on a terminal)',
        logFormats,
      ),
    )
    .option('--debug', 'debug logs, and the stack of a failure')
    .showSuggestionAfterError()
    .showHelpAfterError('(tide <command> --help shows the flags)')
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
}

/**
 * The command of the top level that alone has to be loaded; undefined when all have: for a word that is none
 * of them (`help`, an alias, a slip), for `completion`, which draws all, and for the help of the program.
 */
function commandAlone(args: readonly string[], operandAt: number): string | undefined {
  const operand = args[operandAt] ?? ''
  const isHelp = args.slice(0, operandAt).some((arg) => arg === '--help' || arg === '-h')
  const isAlone = !isHelp && operand !== 'completion' && Object.hasOwn(topCommands, operand)
  return isAlone ? operand : undefined
}

/** Adds the commands of the top level, and to `only`, where it is given, what it consists of; else to all. */
async function addCommands(
  program: Command,
  context: CliContext,
  only: string | undefined,
): Promise<void> {
  for (const [name, load] of Object.entries(topCommands)) {
    const command = program.command(name)
    if (only !== undefined && only !== name) continue
    const define = await load()
    define(command, context)
  }
}

async function loadVerb(verb: 'build' | 'run' | 'snapshot' | 'test'): Promise<Define> {
  const { defineVerb } = await import('./commands/models/run-models.ts')
  return (command, context) => defineVerb(command, context, verb)
}

function attach(program: Command, context: CliContext): void {
  context.bindGlobals(() => program.opts<GlobalOptions>())
  forEachCommand(program, (command) => {
    command.exitOverride()
    command.configureOutput({
      writeOut: (text) => context.streams.stdout.write(text),
      writeErr: (text) => context.streams.stderr.write(text),
      getOutHasColors: () => context.color,
      getErrHasColors: () => false,
    })
  })
}

function flagsWithValue(program: Command): readonly string[] {
  return program.options
    .filter((option) => option.required || option.optional)
    .flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined))
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command)
  for (const child of command.commands) forEachCommand(child, visit)
}
