#!/usr/bin/env node
// The command `tide`. In a clone it runs dist/ where the last build saw every source as it is now, else the
// TypeScript sources through tsx; the published package has only dist/. Either way in this process, so
// that signals, streams and the exit code need no relay.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const compiled = new URL('../dist/bin/tide.js', import.meta.url)

// True when scripts/build.ts has run to its end and no source has changed since it began.
function isBuilt() {
  const stamp = statSync(join(root, 'dist', '.built'), { throwIfNoEntry: false })
  if (stamp === undefined) return false
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8'))
  return include.every((folder) => isOlder(join(root, folder), stamp.mtimeMs))
}

function isOlder(folder, timeMs) {
  return readdirSync(folder, { withFileTypes: true }).every((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return isOlder(path, timeMs)
    if (!entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) return true
    return statSync(path).mtimeMs < timeMs
  })
}

async function registerTypeScript() {
  try {
    const { register } = await import('tsx/esm/api')
    // Ours, not a tsconfig.json of the folder that the command is called in.
    register({ tsconfig: join(root, 'tsconfig.json') })
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(`error: the dependencies are not installed: run npm install in ${root}\n`)
    process.exit(1)
  }
}

if (existsSync(join(root, 'bin', 'tide.ts')) && !isBuilt()) {
  await registerTypeScript()
  await import('./tide.ts')
} else {
  await import(compiled.href)
}
