/** The scripts of `tide completion`, each asked by its own shell what it would complete. */
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireAbility, runCommand } from '../support/services/index.ts'
import { tide } from '../support/tide.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

const isThere = (shell: Shell): boolean => spawnSync(shell, ['--version']).status === 0

/** Prints what bash would offer for the words of its arguments, the last one unfinished. */
const bashQuestion = `source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tide
printf '%s\\n' "\${COMPREPLY[@]}"`

/** What an interactive zsh runs first: compadd also writes the matching words to a file. */
const zshSetup = `autoload -Uz compinit; compinit -u -D
source "$COMPLETION_SCRIPT"
compadd() {
  local -a matching
  if [[ " $* " != *" -"[OAD]" "* ]]; then
    builtin compadd -O matching "$@"
    print -rl -- "\${matching[@]}" >> "$COMPLETION_ANSWER"
  fi
  builtin compadd "$@"
}
tell-end() { print -r -- IT-HAS-ENDED; }
zle -N tell-end; bindkey '^G' tell-end
print -r -- IT-IS-READY
`

/** Types a line and a tab into an interactive zsh on a terminal of its own. */
const zshQuestion = `zmodload zsh/zpty
zpty typed zsh -f -i
zpty -w typed "source '$1'"
zpty -r typed text '*IT-IS-READY*'
zpty -w -n typed "$2"$'\\t\\a'
zpty -r typed text '*IT-HAS-ENDED*'
zpty -d typed`

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tide-completion-'))
  await mkdir(join(folder, 'streams'))
  await writeFile(join(folder, 'streams', 'events.yaml'), '')
  for (const shell of shells) {
    const { code, stdout, stderr } = await tide(['completion', shell], { directory: folder })
    expect([code, stderr]).toEqual([0, ''])
    await writeFile(join(folder, `tide.${shell}`), stdout)
  }
  await writeFile(join(folder, 'setup.zsh'), zshSetup)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What `shell` offers for a line, whose last word is still being typed. */
async function offers(shell: Shell, line: string): Promise<readonly string[]> {
  const script = join(folder, `tide.${shell}`)
  const options = { cwd: folder }
  if (shell === 'bash') {
    const args = ['--norc', '-c', bashQuestion, 'bash', script, ...line.split(' ')]
    return wordsOf(await runCommand('bash', args, options))
  }
  if (shell === 'fish') {
    const args = ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', script, line]
    const answer = await runCommand('fish', args, options)
    return wordsOf(answer.replaceAll(/\t.*$/gm, ''))
  }
  const answer = join(folder, 'answer')
  await writeFile(answer, '')
  const args = ['-f', '-c', zshQuestion, 'zsh', join(folder, 'setup.zsh'), line]
  const env = { COMPLETION_SCRIPT: script, COMPLETION_ANSWER: answer }
  await runCommand('zsh', args, { ...options, env })
  return wordsOf(await readFile(answer, 'utf8'))
}

function wordsOf(text: string): readonly string[] {
  return text.split('\n').filter((word) => word !== '')
}

describe.each(shells)('tide completion %s', (shell) => {
  const isHere = requireAbility(
    isThere(shell),
    `tests of tide completion ${shell} need ${shell}; install the package ${shell}`,
  )

  it.skipIf(!isHere).each([
    ['tide str', ['stream']],
    ['tide stream r', ['run', 'replay']],
    ['tide table properties s', ['set']],
    ['tide stream list --ori', []],
    ['tide stream echo --ori', ['--origin']],
    ['tide completion ', ['bash', 'zsh', 'fish']],
    ['tide --output js', ['json', 'jsonl']],
    ['tide table list web -o cs', ['csv']],
    ['tide init shop --template k', ['kafka-json']],
    // The word after a flag that takes one is its value, after another flag a command.
    ['tide --config stream str', ['stream']],
    ['tide --debug stream lin', ['lint']],
    // The same letter, with a value in one command and without in another.
    ['tide build -f --full', ['--full-refresh']],
    ['tide sql -f --full', []],
  ])('completes %s', async (line, words) => {
    expect([...(await offers(shell, line))].sort()).toEqual([...words].sort())
  })

  it.skipIf(!isHere)('offers the flags of a command and those of the program', async () => {
    const flags = await offers(shell, 'tide sql --')
    expect(flags).toEqual(expect.arrayContaining(['--command', '--json', '--readonly', '--config']))
    expect(flags).not.toContain('--purge')
  })

  it.skipIf(!isHere)('offers files where a file is wanted, and only there', async () => {
    const names = (await offers(shell, 'tide stream run str')).join(' ')
    expect(names).toContain('streams')
    expect((await offers(shell, 'tide --config str')).join(' ')).toContain('streams')
    expect(await offers(shell, 'tide table describe str')).toEqual([])
  })
})

it.skipIf(!isThere('bash'))('bash splits a flag from its value at the equals sign', async () => {
  expect(await offers('bash', 'tide --output = js')).toEqual(['json', 'jsonl'])
  expect(await offers('bash', 'tide --log-format =')).toEqual(['text', 'json'])
})

it('tells how to install it, and refuses other shells', async () => {
  const help = await tide(['completion', '--help'], { directory: folder })
  for (const shell of shells) expect(help.stdout).toContain(`npx tide completion ${shell}`)
  const refused = await tide(['completion', 'tcsh'], { directory: folder })
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('bash, zsh, fish')
})
