/**
 * `tide stream run` as a process of its own, the compiled package on plain node, so that a test can
 * kill it with SIGKILL, stop it with SIGTERM and read its exit code and its last words. tsx would
 * put a second process in between and two seconds before every start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { environmentEntries } from '../../common/index.ts'
import { within } from './eventually.ts'
import { repositoryRoot, runCommand } from './services/index.ts'

export interface SinkEnd {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface SinkProcess {
  readonly pid: number
  readonly ended: Promise<SinkEnd>
  /** What it has said on stderr so far. */
  readonly log: string
  /** And on stdout. */
  readonly output: string
  /** Resolves when stderr holds `pattern`, or when the process has ended; throws when neither comes. */
  logged(pattern: RegExp): Promise<void>
  kill(): Promise<SinkEnd>
  /** SIGTERM, and the end of it; throws when the process lives on. */
  terminate(): Promise<SinkEnd>
}

export interface SinkStart {
  /** Flags after `stream run <file>`. */
  readonly args?: readonly string[]
  /** `TIDEWATER_FAILPOINTS` and the like. */
  readonly env?: Readonly<Record<string, string>>
}

export interface TideBuild {
  /** The program, for plain Node. */
  readonly entry: string
  /** Starts `tide` with these arguments in `directory`. */
  tide(directory: string, args: readonly string[], env?: SinkStart['env']): SinkProcess
  remove(): Promise<void>
}

/** Compiles the working tree once into a folder of its own. */
export async function buildTide(): Promise<TideBuild> {
  const folder = await mkdtemp(join(tmpdir(), 'tide-build-'))
  const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
  const outDir = join(folder, 'dist')
  // Types are the business of `npm run check`; here they would only cost time.
  const flags = ['-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false']
  await runCommand(process.execPath, [tsc, ...flags, '--outDir', outDir], { cwd: repositoryRoot })
  await copyFile(join(repositoryRoot, 'package.json'), join(folder, 'package.json'))
  await symlink(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'))
  const entry = join(outDir, 'bin', 'tide.js')
  return {
    entry,
    tide: (directory, args, env = {}) =>
      watch(
        spawn(process.execPath, [entry, ...args], {
          cwd: directory,
          env: { ...environmentEntries(), NO_COLOR: '1', ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      ),
    remove: async () => {
      // A test that failed may have left some behind.
      for (const child of running) child.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface SinkProject {
  readonly directory: string
  /** Starts `tide stream run` on the stream of that name. */
  start(stream: string, options?: SinkStart): SinkProcess
  /** Drains with `--until latest`; throws with its words unless it ends with exit code 0. */
  drain(stream: string, options?: SinkStart): Promise<SinkEnd>
  writeStream(name: string, yaml: string): Promise<void>
  remove(): Promise<void>
}

/** A directory as `tide init` makes it: tidewater.yaml and streams/. */
export async function createSinkProject(build: TideBuild, lakeYaml: string): Promise<SinkProject> {
  const directory = await mkdtemp(join(tmpdir(), 'tide-sink-'))
  await mkdir(join(directory, 'streams'))
  await mkdir(join(directory, 'work'))
  await writeFile(join(directory, 'tidewater.yaml'), lakeYaml)
  const start = (stream: string, { args = [], env }: SinkStart = {}): SinkProcess => {
    const file = join('streams', `${stream}.yaml`)
    const flags = ['--work-dir', join(directory, 'work'), ...args]
    return build.tide(directory, ['stream', 'run', file, ...flags], env)
  }
  return {
    directory,
    start,
    drain: async (stream, { args = [], ...rest } = {}) => {
      const sink = start(stream, { ...rest, args: ['--until', 'latest', ...args] })
      const end = await within(sink.ended, () => `it does not drain: ${sink.log}`)
      if (end.code === 0) return end
      throw new Error(`the drain failed: code=${end.code} signal=${end.signal}\n${end.stderr}`)
    },
    writeStream: (name, yaml) => writeFile(join(directory, 'streams', `${name}.yaml`), yaml),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

function watch(child: ChildProcess): SinkProcess {
  running.add(child)
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  const tell = (): void => {
    for (const each of waiting) each()
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    tell()
  })
  let hasEnded = false
  const ended = new Promise<SinkEnd>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      hasEnded = true
      running.delete(child)
      resolve({ code, signal, stdout, stderr })
      tell()
    })
  })
  const end = (signal: NodeJS.Signals): Promise<SinkEnd> => {
    if (!hasEnded) child.kill(signal)
    return ended
  }
  return {
    pid: child.pid ?? -1,
    ended,
    get log() {
      return stderr
    },
    get output() {
      return stdout
    },
    logged: (pattern) => {
      const seen = new Promise<void>((resolve) => {
        const look = (): void => {
          if (!hasEnded && !pattern.test(stderr)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      })
      return within(seen, () => `${String(pattern)} does not stand in its log: ${stderr}`)
    },
    kill: () => end('SIGKILL'),
    terminate: async () => {
      try {
        return await within(end('SIGTERM'), () => `it lives on after SIGTERM: ${stdout}\n${stderr}`)
      } finally {
        if (!hasEnded) await end('SIGKILL')
      }
    },
  }
}
