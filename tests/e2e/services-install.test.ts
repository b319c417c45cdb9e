/** Installing and running test services: safe among processes, and nothing left behind. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually, patience } from '../support/eventually.ts'
import { isRunning, startProcess } from '../support/services/background-process.ts'
import { installOnce } from '../support/services/install.ts'
import { requireAbility } from '../support/services/parts.ts'
import { repositoryRoot } from '../support/services/paths.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidewater-services-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** A child that imports our modules, as a second test run would. */
function runChild(script: string): ChildProcessByStdio<null, Readable, null> {
  const args = ['--import', 'tsx', '--input-type=module', '-e', script]
  return spawn(process.execPath, args, {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

describe('installOnce()', () => {
  it('builds once when two processes ask at the same time', async () => {
    const script = `
      import { appendFileSync, writeFileSync } from 'node:fs'
      import { installOnce } from './tests/support/services/install.ts'
      const target = await installOnce({
        name: 'thing', version: '1', cache: ${JSON.stringify(folder)},
        build: async (into) => {
          appendFileSync(${JSON.stringify(join(folder, 'builds'))}, 'x')
          await new Promise((resolve) => setTimeout(resolve, 300))
          writeFileSync(into + '/file', 'whole')
        },
      })
      process.stdout.write(target)`
    const children = [runChild(script), runChild(script)]
    const outputs = await Promise.all(children.map(({ stdout }) => text(stdout)))
    expect(outputs).toEqual([join(folder, 'thing-1'), join(folder, 'thing-1')])
    expect(await readFile(join(folder, 'builds'), 'utf8')).toBe('x')
    expect(await readFile(join(folder, 'thing-1', 'file'), 'utf8')).toBe('whole')
    expect((await readdir(folder)).sort()).toEqual(['builds', 'thing-1'])
  })

  it('leaves nothing of a build that failed, and builds again', async () => {
    const failing = { name: 'thing', version: '1', cache: folder }
    const build = async (into: string): Promise<void> => {
      await writeFile(join(into, 'half'), '')
      throw new Error('no network')
    }
    await expect(installOnce({ ...failing, build })).rejects.toThrow('no network')
    expect(await readdir(folder)).toEqual([])
    const target = await installOnce({ ...failing, build: async () => undefined })
    expect(await readdir(target)).toEqual(['.complete'])
  })

  it('takes over from a dead holder of the lock and from a half-made folder', async () => {
    await writeFile(join(folder, 'thing-1.lock'), '999999999')
    await mkdir(join(folder, 'thing-1'))
    await writeFile(join(folder, 'thing-1', 'stale'), '')
    const target = await installOnce({
      name: 'thing',
      version: '1',
      cache: folder,
      build: (into) => writeFile(join(into, 'fresh'), ''),
    })
    expect((await readdir(target)).sort()).toEqual(['.complete', 'fresh'])
  })
})

describe('startProcess()', () => {
  const plan = (script: string): Parameters<typeof startProcess>[0] => ({
    name: 'test-thing',
    command: process.execPath,
    args: ['-e', `${script} // ${folder}`],
    logFile: join(folder, 'log'),
    isReady: async () => (await readFile(join(folder, 'log'), 'utf8')).includes('ready'),
    readyWithinMs: patience.timeout,
    dataFolder: folder,
    detached: false,
  })

  it('waits until the service is ready and ends it by pid', async () => {
    const service = await startProcess(plan("console.log('ready'); setInterval(() => 0, 1e6)"))
    expect(isRunning(service.pid)).toBe(true)
    await service.stop()
    // Until Node has reaped it, an ended child still has its pid.
    await vi.waitFor(() => expect(isRunning(service.pid)).toBe(false), patience)
  })

  it('shows the log of a service that ends before it is ready', async () => {
    const failing = plan("console.log('port in use'); process.exit(1)")
    await expect(startProcess(failing)).rejects.toThrow(/ended before it was ready.*port in use/s)
  })

  const isLinux = requireAbility(
    process.platform === 'linux',
    'tests of services whose owner is killed need Linux, where a child can ask to die with its parent',
  )
  it.skipIf(!isLinux)('does not outlive an owner that was killed', async () => {
    const script = `
        import { startProcess } from './tests/support/services/background-process.ts'
        const service = await startProcess({
          name: 'test-thing', command: process.execPath, logFile: ${JSON.stringify(join(folder, 'log'))},
          args: ['-e', 'setInterval(() => 0, 1e6) // ' + ${JSON.stringify(folder)}],
          isReady: async () => true, readyWithinMs: ${patience.timeout}, dataFolder: ${JSON.stringify(folder)}, detached: false,
        })
        process.stdout.write(String(service.pid))
        setInterval(() => 0, 1e6)`
    const owner = runChild(script)
    if (owner.stdout === null) throw new Error('no output of the child')
    const [chunk] = (await once(owner.stdout, 'data')) as [Buffer]
    const pid = Number(chunk.toString())
    expect(isRunning(pid)).toBe(true)
    owner.kill('SIGKILL')
    await eventually(() => !isRunning(pid))
  })
})
