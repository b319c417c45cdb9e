/**
 * A Python with PyIceberg, pyarrow, DuckDB and librdkafka's client: readers written by others, so that
 * a test can ask what they see in our tables and topics.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installOnce, runCommand } from './install.ts'

const requirementsFile = fileURLToPath(new URL('./python-requirements.txt', import.meta.url))

export interface PythonEnvironment {
  /** The interpreter; call it by this path (the environment was moved into place, so no scripts). */
  readonly python: string
  /** Runs a script and returns its standard output; a non-zero exit throws with its errors. */
  run(script: string, args: readonly string[], input?: string): Promise<string>
}

export async function pythonEnvironment(): Promise<PythonEnvironment> {
  const requirements = await readFile(requirementsFile)
  const folder = await installOnce({
    name: 'python',
    version: createHash('sha256').update(requirements).digest('hex').slice(0, 12),
    build: buildEnvironment,
  })
  const python = join(folder, 'bin', 'python')
  return {
    python,
    run: (script, args, input = '') =>
      runCommand(python, ['-I', script, ...args], {
        input,
        env: { PYTHONDONTWRITEBYTECODE: '1', AWS_EC2_METADATA_DISABLED: 'true' },
      }),
  }
}

async function buildEnvironment(folder: string): Promise<void> {
  await runCommand('python3', ['-m', 'venv', folder])
  await runCommand(join(folder, 'bin', 'python'), [
    '-m',
    'pip',
    'install',
    '--no-input',
    '--disable-pip-version-check',
    '--quiet',
    '--only-binary',
    ':all:',
    '--no-deps',
    '-r',
    requirementsFile,
  ])
}
