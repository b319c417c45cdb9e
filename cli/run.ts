/** From the process's arguments to an exit code. */
import { environmentEntries, systemClock } from '../common/index.ts'
import type { CliStreams } from './frame/context.ts'
import { exitCodeOf, exitCodes, failureText } from './frame/failure.ts'
import { stopWithNpxShell } from './frame/npx-shell.ts'
import { packageVersion } from './frame/version.ts'

export interface CliRun {
  readonly args: readonly string[]
  readonly streams: CliStreams
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly directory: string
  readonly signal: AbortSignal
}

/** npx and others pass a signal on that the terminal has sent to us as well: within this it is one. */
const relayedWithinMs = 500

/** The entry of `bin/tide.ts`: runs on this process and sets its exit code. */
export async function main(args: readonly string[] = process.argv.slice(2)): Promise<void> {
  const stop = new AbortController()
  let stoppedMs = 0
  const onSignal = (): void => {
    const nowMs = systemClock.monotonic()
    if (!stop.signal.aborted) {
      stoppedMs = nowMs
      stop.abort()
      return
    }
    // The second signal of an impatient person ends the process at once.
    if (nowMs - stoppedMs >= relayedWithinMs) process.exit(exitCodes.interrupted)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const ended = new AbortController()
  void stopWithNpxShell(() => stop.abort(), ended.signal)
  // `tide ... | head` closes our stdout: that is a normal end, not a fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.fine : exitCodes.failed)
  })
  process.exitCode = await runCli({
    args,
    streams: { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
    environment: environmentEntries(),
    directory: process.cwd(),
    signal: stop.signal,
  })
  ended.abort()
  await Promise.all([process.stdout, process.stderr].map(flushed))
  // Work that was given up, such as a query, must not hold the process; and where Node ends by itself it gives up its
  // signal handlers first, so a signal that is passed on late would kill the process that has done its work.
  process.exit()
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}

export async function runCli(run: CliRun): Promise<number> {
  const { stdout, stderr } = run.streams
  // Answered before anything is loaded: scripts ask for it often.
  if (run.args.length === 1 && (run.args[0] === '--version' || run.args[0] === '-V')) {
    stdout.write(`${packageVersion()}\n`)
    return exitCodes.fine
  }
  const { CliContext } = await import('./frame/context.ts')
  const context = new CliContext({ ...run, clock: systemClock })
  const { parseCommandLine } = await import('./program.ts')
  try {
    return await parseCommandLine(run.args, context)
  } catch (error) {
    context.progress.done()
    const text = failureText(error, context.debug)
    if (text !== '') stderr.write(`${text}\n`)
    return exitCodeOf(error)
  } finally {
    await context.close()
  }
}
