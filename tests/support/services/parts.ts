/**
 * Which real services this machine can run. A test that needs one asks here, so that leaving it out
 * is always loud, and is a failure in CI.
 */
import { spawnSync } from 'node:child_process'
import { environment } from '../../../common/index.ts'

export type Part = 'kafka' | 'minio' | 'python'

const needs: Readonly<Record<Part, readonly (readonly [string, ...string[]])[]>> = {
  kafka: [
    ['java', '-version'],
    ['mvn', '--version'],
  ],
  minio: [['go', 'version']],
  python: [['python3', '-c', 'import sys, venv; sys.exit(sys.version_info < (3, 10))']],
}

const remedy: Readonly<Record<Part, string>> = {
  kafka: 'install a JDK 17 and Maven',
  minio: 'install Go 1.24 or newer',
  python: 'install Python 3.10 or newer with venv',
}

const known = new Map<Part, boolean>()
const announced = new Set<string>()

/** True when the machine has what the part is made of; says nothing. */
export function isPartAtHand(part: Part): boolean {
  let atHand = known.get(part)
  if (atHand === undefined) {
    atHand = needs[part].every(([command, ...args]) => spawnSync(command, args).status === 0)
    known.set(part, atHand)
  }
  return atHand
}

/**
 * True when tests on the part can run. When not: in CI this throws, elsewhere it says on stderr what
 * is left out, and the caller skips (`describe.skipIf(!requirePart('kafka'))`).
 */
export function requirePart(part: Part): boolean {
  const commands = needs[part].map(([command]) => command).join(' and ')
  const text = `tests on real ${part} need ${commands}; ${remedy[part]}`
  return requireAbility(isPartAtHand(part), text)
}

/**
 * `isThere`, said loudly when it is false, and thrown in CI: what a test needs of the machine that
 * cannot be installed. `text` says what the tests are, what they need and the way out.
 */
export function requireAbility(isThere: boolean, text: string): boolean {
  if (isThere) return true
  if (isCi()) throw new Error(`a part is missing in CI: ${text}`)
  if (!announced.has(text)) {
    announced.add(text)
    process.stderr.write(`\n*** LEFT OUT: ${text} ***\n\n`)
  }
  return false
}

export function isCi(): boolean {
  const ci = environment('CI')
  return ci !== undefined && ci !== '' && ci !== 'false' && ci !== '0'
}
