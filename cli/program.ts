/** The tree of commands. Each command's work is loaded when it runs, so help and version stay quick. */
import { Command, CommanderError } from 'commander'
import { addCompletion } from './commands/completion/completion.ts'
import { addDemo } from './commands/demo/demo.ts'
import { addDev } from './commands/dev/dev.ts'
import { addDoctor } from './commands/doctor/doctor.ts'
import { addInit } from './commands/init/init.ts'
import { addModels } from './commands/models/models.ts'
import { addServe } from './commands/serve/serve.ts'
import { addSql, withDoubleDashes } from './commands/sql/sql.ts'
import { addStream } from './commands/stream/stream.ts'
import { addTable } from './commands/table/table.ts'
import { addTopic } from './commands/topic/topic.ts'
import { choiceOption } from './frame/choice-option.ts'
import type { CliContext, GlobalOptions } from './frame/context.ts'
import { exitCodes } from './frame/failure.ts'
import { logFormats, logLevels } from './frame/logging.ts'
import { outputFormats } from './frame/output.ts'
import { packageVersion } from './frame/version.ts'

/** Runs the command that `args` name; returns the exit code, throws what the command throws. */
export async function parseCommandLine(
  args: readonly string[],
  context: CliContext,
): Promise<number> {
  const program = buildProgram(context)
  try {
    await program.parseAsync([...withDoubleDashes(args)], { from: 'user' })
    return exitCodes.fine
  } catch (error) {
    // Commander has printed its message already; help and version are no failures.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage
    throw error
  }
}

export function buildProgram(context: CliContext): Command {
  const program = new Command('tide')
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
  for (const add of [
    addInit,
    addDev,
    addDemo,
    addDoctor,
    addServe,
    addSql,
    addStream,
    addTopic,
    addTable,
    addModels,
    addCompletion,
  ]) {
    add(program, context)
  }
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
  return program
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command)
  for (const child of command.commands) forEachCommand(child, visit)
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value]
}
