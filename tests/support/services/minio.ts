/**
 * A real MinIO server without Docker: built from source by Go once (its community edition is
 * source-only), then run on loopback over a temporary folder.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { setEnvironmentDefault } from '../../../common/index.ts'
import {
  type BackgroundProcess,
  freePort,
  startProcess,
  sweepOrphans,
} from './background-process.ts'
import { installOnce, runCommand } from './install.ts'
import { runFolder } from './paths.ts'

const minioVersion = 'v0.0.0-20260212201848-7aac2a2c5b7c'
const readyWithinMs = 60_000

export interface MinioOptions {
  readonly port?: number
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  /** Made before the start returns. */
  readonly buckets?: readonly string[]
  readonly detachedAs?: string
}

export interface MinioService {
  /** `http://127.0.0.1:port`, the same after a restart. */
  readonly endpoint: string
  readonly port: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  readonly pid: number
  readonly dataFolder: string
  readonly logFile: string
  createBucket(name: string): Promise<void>
  kill(): Promise<void>
  /** Ends the server and removes its data. */
  stop(): Promise<void>
  restart(): Promise<void>
}

export async function startMinio(options: MinioOptions = {}): Promise<MinioService> {
  await sweepOrphans()
  const binary = join(await installMinio(), 'minio')
  const port = options.port ?? (await freePort())
  const name = options.detachedAs ?? `minio-${port}`
  const dataFolder = join(runFolder, `${name}-data-${randomBytes(4).toString('hex')}`)
  await mkdir(join(dataFolder, 'store'), { recursive: true })
  const accessKeyId = options.accessKeyId ?? 'minioadmin'
  const secretAccessKey = options.secretAccessKey ?? 'minioadmin'
  const endpoint = `http://127.0.0.1:${port}`
  const logFile = join(dataFolder, 'minio.log')
  const start = (): Promise<BackgroundProcess> =>
    startProcess({
      name,
      command: binary,
      args: ['server', join(dataFolder, 'store'), '--address', `127.0.0.1:${port}`, '--quiet'],
      env: {
        MINIO_ROOT_USER: accessKeyId,
        MINIO_ROOT_PASSWORD: secretAccessKey,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
      logFile,
      isReady: async () => (await fetch(`${endpoint}/minio/health/cluster`)).ok,
      readyWithinMs,
      dataFolder,
      detached: options.detachedAs !== undefined,
    })
  let server = await start()
  const createBucket = (bucket: string): Promise<void> =>
    createBucketAt(endpoint, accessKeyId, secretAccessKey, bucket)
  for (const bucket of options.buckets ?? []) await createBucket(bucket)
  return {
    endpoint,
    port,
    accessKeyId,
    secretAccessKey,
    region: 'us-east-1',
    dataFolder,
    logFile,
    get pid() {
      return server.pid
    },
    createBucket,
    kill: () => server.kill(),
    stop: async () => {
      await server.stop()
      await rm(dataFolder, { recursive: true, force: true })
    },
    restart: async () => {
      await server.stop()
      server = await start()
    },
  }
}

/** Builds the server now (2 to 3 minutes on two cores), so that a later start takes a second. */
export async function installMinio(): Promise<string> {
  return installOnce({
    name: 'minio',
    version: minioVersion,
    build: async (folder) => {
      const module = `github.com/minio/minio@${minioVersion}`
      const build = ['go', 'install', '-trimpath', '-ldflags', '-s -w', module]
      // Tests with time limits run beside the build, on few cores.
      await runCommand('nice', ['-n', '10', ...build], {
        cwd: folder,
        env: { GOBIN: folder, CGO_ENABLED: '0' },
      })
    },
  })
}

async function createBucketAt(
  endpoint: string,
  accessKeyId: string,
  secretAccessKey: string,
  bucket: string,
): Promise<void> {
  // As io does: a warning about later versions of the SDK says nothing about the pinned one.
  setEnvironmentDefault('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
  } catch (error) {
    if ((error as Error).name !== 'BucketAlreadyOwnedByYou') throw error
  } finally {
    client.destroy()
  }
}
