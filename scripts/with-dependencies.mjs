// The door of `npm run demo`, `npm test` and `npm run check`: installs the locked dependencies when
// they are missing, then runs the script. Plain JavaScript, because nothing is installed yet.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`tidewater needs Node 20.19 or newer; this is ${process.version}`)
  process.exit(2)
}

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (done.error) console.error(String(done.error))
  return done.status ?? 1
}

// npm writes this file last, so an install that was cut off does not count.
if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) {
  console.error('installing the locked dependencies ...')
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const status = run('npm', ['ci', ...quiet])
  if (status !== 0) process.exit(status)
}
const [script = '', ...rest] = process.argv.slice(2)
process.exit(
  run(process.execPath, ['--import', 'tsx', join(root, 'scripts', `${script}.ts`), ...rest]),
)
