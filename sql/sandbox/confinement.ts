/**
 * The command line that starts a process without network and without rights (docs/adr/0006-sandbox.md).
 *
 * On Linux: a user and a network namespace of its own, in which not even loopback is up; no
 * capabilities, no way to new privileges; bounds on memory, files and core dumps; death with its parent.
 * Every tool is of util-linux and needs no root. Where the kernel refuses namespaces the process
 * starts without them, and `Confinement.reason` says why.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Wraps the command line of a process. */
export type Confine = (command: readonly string[]) => readonly string[]

export interface Confinement {
  readonly confine: Confine
  /** True: the kernel gives the process no network. */
  readonly isNetworkless: boolean
  /** Why the kernel cannot take the network away; absent when it does. */
  readonly reason?: string
}

const toolFolders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin']
const filesOpenMax = 8192

export interface ProcessBounds {
  /** Of each file that the process may write. */
  readonly fileBytesMax: number
  /** Of all memory that it may write to, used or not. */
  readonly dataBytesMax: number
}

/** Finds out, by trying, what this machine allows. */
export async function findConfinement(limits: ProcessBounds): Promise<Confinement> {
  if (process.platform !== 'linux') {
    return unconfined(`network namespaces exist on linux only, this is ${process.platform}`)
  }
  const [unshare, setpriv, prlimit] = await Promise.all(
    ['unshare', 'setpriv', 'prlimit'].map(findTool),
  )
  if (unshare === undefined || setpriv === undefined) {
    return unconfined('unshare and setpriv of util-linux are not installed')
  }
  const namespaces = [unshare, '--user', '--map-root-user', '--net', '--']
  const rights = ['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all']
  const bounds = prlimit === undefined ? [] : [prlimit, ...resourceLimits(limits), '--']
  const prefix = [...namespaces, setpriv, ...rights, '--pdeathsig=KILL', '--', ...bounds]
  const confine: Confine = (command) => [...prefix, ...command]
  const refusal = await refusalOf(confine([process.execPath, '--version']))
  if (refusal !== undefined) return unconfined(`the kernel refuses namespaces: ${refusal}`)
  return { confine, isNetworkless: true }
}

export function unconfined(reason: string): Confinement {
  return { confine: (command) => command, isNetworkless: false, reason }
}

function resourceLimits({ fileBytesMax, dataBytesMax }: ProcessBounds): readonly string[] {
  return [
    '--core=0',
    `--nofile=${filesOpenMax}`,
    `--fsize=${fileBytesMax}`,
    `--data=${dataBytesMax}`,
  ]
}

/** The command line that runs a module of ours, from source or compiled. */
export function moduleCommand(module: string, nodeOptions: readonly string[]): readonly string[] {
  const isSource = module.endsWith('.ts')
  const loader = isSource ? ['--import', tsxLoader()] : []
  return [process.execPath, ...nodeOptions, ...loader, module]
}

function tsxLoader(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
}

async function findTool(name: string): Promise<string | undefined> {
  for (const folder of toolFolders) {
    const path = join(folder, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

/** What the command prints when it fails; undefined when it runs. */
async function refusalOf([program = '', ...values]: readonly string[]): Promise<
  string | undefined
> {
  const child = spawn(program, values, { stdio: ['ignore', 'ignore', 'pipe'], env: {} })
  let errorText = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errorText = (errorText + text).slice(0, 500)
  })
  const [code] = (await once(child, 'close').catch((error: unknown) => [String(error)])) as [
    unknown,
  ]
  return code === 0 ? undefined : errorText.trim() || `exit ${String(code)}`
}
