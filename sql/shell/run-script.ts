/** Runs a script: statements ended by semicolons, commands on lines of their own. */
import { splitStatements } from '../text/statements.ts'
import { runDotCommand } from './dot-commands.ts'
import { isOver, runStatement, type Session } from './session.ts'

/** Takes lines as they come and runs what is complete. */
export interface ScriptFeeder {
  /** True while a statement is unfinished. */
  readonly isOpen: () => boolean
  feed(line: string, signal?: AbortSignal): Promise<void>
  /** Runs what is left: the last statement needs no semicolon. */
  end(signal?: AbortSignal): Promise<void>
  /** Forgets the unfinished statement. */
  clear(): void
}

export function scriptFeeder(session: Session): ScriptFeeder {
  let pending = ''
  const run = async (statements: readonly string[], signal?: AbortSignal): Promise<void> => {
    for (const statement of statements) {
      if (isOver(session)) return
      await runStatement(session, statement, signal)
    }
  }
  return {
    isOpen: () => pending !== '',
    feed: async (line, signal) => {
      if (isOver(session)) return
      if (pending === '' && line.trimStart().startsWith('.')) {
        await runDotCommand(session, line, runScript)
        return
      }
      if (pending === '' && line.trim() === '') return
      pending = pending === '' ? line : `${pending}\n${line}`
      // Nothing can be complete without a semicolon, so long statements are not scanned per line.
      if (!line.includes(';')) return
      const { statements, rest } = splitStatements(pending)
      pending = rest
      await run(statements, signal)
    },
    end: async (signal) => {
      const { statements, rest } = splitStatements(pending)
      pending = ''
      await run(rest === '' ? statements : [...statements, rest], signal)
    },
    clear: () => {
      pending = ''
    },
  }
}

export async function runScript(session: Session, text: string): Promise<void> {
  const feeder = scriptFeeder(session)
  for (const line of text.split(/\r?\n/)) await feeder.feed(line)
  await feeder.end()
}
