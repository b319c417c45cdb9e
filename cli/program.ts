/**
 * The tree of commands. The subcommands of a command of the top level are loaded when `args` name it, so
 * that a command loads no more than it needs.
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

/** Gives a command its arguments, flags, work and the commands below it. */
type Define = (command: Command, context: CliContext) => void

interface TopCommand {
  readonly description: string
  readonly alias?: string
  readonly load: () => Promise<Define>
}

const topCommands: Readonly<Record<string, TopCommand>> = {
  init: {
    description: 'write a new project: tidewater.yaml, streams/, models/, .env.example, README.md',
    load: async () => (await import('./commands/init.ts')).defineInit,
  },
  dev: {
    description:
      'run a project: its streams, maintenance, scheduled models, catalog and SQL over HTTP',
    load: async () => (await import('./commands/dev.ts')).defineDev,
  },
  demo: {
    description:
      '3,000,000 flights in five acts: a kill, compaction, models, a replay, live answers; all checked',
    load: async () => (await import('./commands/demo.ts')).defineDemo,
  },
  doctor: {
    description: 'check Node, settings, store (with a compare-and-swap race), clock and brokers',
    load: async () => (await import('./commands/doctor.ts')).defineDoctor,
  },
  serve: {
    description:
      'serve the catalog (Spark, Trino, PyIceberg, DuckDB) and SQL over HTTP until stopped',
    load: async () => (await import('./commands/serve.ts')).defineServe,
  },
  sql: {
    description:
      'SQL over the tables and CALL for procedures: a shell, -c, -f, or statements on stdin',
    load: async () => (await import('./commands/sql.ts')).defineSql,
  },
  stream: {
    description: 'streams: a topic becomes a table (run, lint, dry-run, echo, ls, status, replay)',
    load: async () => (await import('./commands/stream/stream.ts')).defineStream,
  },
  topic: {
    description: 'topics: ls, describe, create, consume, produce',
    load: async () => (await import('./commands/topic/topic.ts')).defineTopic,
  },
  table: {
    description:
      'tables: list, describe, schema, spec, snapshots, files, properties, drop, rename, upkeep',
    load: async () => (await import('./commands/table/table.ts')).defineTable,
  },
  build: {
    description: 'build models and snapshots in order, each followed by its tests',
    load: () => loadVerb('build'),
  },
  run: {
    description: 'build models, without snapshots and tests',
    load: () => loadVerb('run'),
  },
  test: {
    description: 'run the tests of models on the tables as they are',
    load: () => loadVerb('test'),
  },
  snapshot: {
    description: 'bring snapshots (SCD Type 2) up to date',
    load: () => loadVerb('snapshot'),
  },
  ls: {
    description: 'list models and snapshots',
    alias: 'list',
    load: async () => (await import('./commands/models/ls.ts')).defineModelLs,
  },
  compile: {
    description: 'write the SQL of models to target/compiled; run nothing',
    load: async () => (await import('./commands/models/compile.ts')).defineCompile,
  },
  retry: {
    description: 'the last run again, from its first failed node',
    load: async () => (await import('./commands/models/run-models.ts')).defineRetry,
  },
  schedule: {
    description: 'run models as their cron says (UTC), until stopped; missed runs are made up for',
    load: async () => (await import('./commands/models/schedule.ts')).defineSchedule,
  },
  completion: {
    description: 'print the script that completes commands, flags and values in a shell',
    load: async () => (await import('./commands/completion/completion.ts')).defineCompletion,
  },
}

/** Runs the command that `args` name; returns the exit code, throws what the command throws. */
export async function parseCommandLine(
  args: readonly string[],
  context: CliContext,
): Promise<number> {
  const program = createProgram()
  const withValue = flagsWithValue(program)
  await addCommands(program, context, args[operandIndex(args, withValue)])
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
 * Adds the commands of the top level. The one called `operand` is loaded; all are for a word that is none
 * of them (`help`, an alias, a slip), for `completion`, which draws all of them, and for `--help`.
 */
async function addCommands(
  program: Command,
  context: CliContext,
  operand: string | undefined,
): Promise<void> {
  const only =
    operand !== 'completion' && Object.hasOwn(topCommands, operand ?? '') ? operand : undefined
  for (const [name, { alias, description, load }] of Object.entries(topCommands)) {
    const command = program.command(name).description(description)
    if (alias !== undefined) command.alias(alias)
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
