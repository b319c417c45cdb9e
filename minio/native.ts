/**
 * A MinIO server started from a binary on this machine, for development and for tests where no
 * container runs. It listens on loopback only and is ended by its process id.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, open } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import {
  type Clock,
  NotFoundError,
  UnavailableError,
  ValidationError,
  environment,
  errorMessage,
  systemClock,
} from '../common/index.ts'

export interface NativeMinioOptions {
  readonly binaryPath: string
  readonly dataDirectory: string
  readonly port: number
  readonly accessKeyId: string
  /** At least eight characters, or the server does not start. */
  readonly secretAccessKey: string
  readonly logPath: string
  readonly readyWithinMs?: number
  readonly clock?: Clock
}

export interface NativeMinio {
  readonly endpoint: string
  readonly pid: number
  /** Ends the server and waits until it is gone; its data stays. */
  stop(): Promise<void>
}

const pollMs = 50
const stopWithinMs = 10_000

export async function startNativeMinio(options: NativeMinioOptions): Promise<NativeMinio> {
  const clock = options.clock ?? systemClock
  if (options.accessKeyId.length < 3 || options.secretAccessKey.length < 8) {
    throw new ValidationError('minio wants an access key of 3 and a secret of 8 characters or more')
  }
  // Another process on the port would answer in the new server's place.
  if (await isListening(options.port)) {
    throw new UnavailableError('another process listens on the port', {
      facts: { port: options.port },
    })
  }
  await mkdir(options.dataDirectory, { recursive: true })
  await mkdir(dirname(options.logPath), { recursive: true })
  const child = await launch(options)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const controller = new AbortController()
    const late = clock.sleep(stopWithinMs, controller.signal).then(
      () => child.kill('SIGKILL'),
      // The server ended in time.
      () => false,
    )
    await ended
    controller.abort()
    await late
  }
  const endpoint = `http://127.0.0.1:${options.port}`
  try {
    await waitUntilReady(endpoint, child, options, clock)
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint, pid: child.pid ?? 0, stop }
}

async function launch(options: NativeMinioOptions): Promise<ChildProcess> {
  const log = await open(options.logPath, 'a')
  try {
    const child = spawn(
      options.binaryPath,
      ['server', options.dataDirectory, '--address', `127.0.0.1:${options.port}`, '--quiet'],
      {
        stdio: ['ignore', log.fd, log.fd],
        env: {
          HOME: options.dataDirectory,
          PATH: environment('PATH'),
          MINIO_ROOT_USER: options.accessKeyId,
          MINIO_ROOT_PASSWORD: options.secretAccessKey,
          MINIO_BROWSER: 'off',
          MINIO_UPDATE: 'off',
        },
      },
    )
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', () => resolve())
      child.once('error', (error) =>
        reject(
          new NotFoundError('the minio server could not be started', {
            facts: { binary: options.binaryPath, reason: errorMessage(error) },
            cause: error,
          }),
        ),
      )
    })
    return child
  } finally {
    await log.close()
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function waitUntilReady(
  endpoint: string,
  child: ChildProcess,
  options: NativeMinioOptions,
  clock: Clock,
): Promise<void> {
  const deadline = clock.monotonic() + (options.readyWithinMs ?? 30_000)
  const facts = { endpoint, log: options.logPath }
  while (clock.monotonic() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new UnavailableError('the minio server ended at once, its log says why', { facts })
    }
    try {
      if ((await fetch(`${endpoint}/minio/health/cluster`)).ok) return
    } catch {
      // No process listens yet.
    }
    await clock.sleep(pollMs)
  }
  throw new UnavailableError('the minio server was not ready in time', { facts })
}
