/**
 * npx starts a command through a shell and passes signals to that shell only. Debian's shell dies of them
 * without ending the command, and the command would run on with nothing left to stop it. So a command whose
 * shell has ended stops as if it had been given the signal itself.
 */
import { environment, systemClock } from '../../common/index.ts'

const pollMs = 100

/** Calls `stop` when the shell of npx has ended, at most until `signal` is aborted. */
export async function stopWithNpxShell(stop: () => void, signal: AbortSignal): Promise<void> {
  if (environment('npm_lifecycle_event') !== 'npx') return
  const shell = process.ppid
  try {
    while (process.ppid === shell) await systemClock.sleep(pollMs, signal)
  } catch {
    // The command has ended first.
    return
  }
  stop()
}
