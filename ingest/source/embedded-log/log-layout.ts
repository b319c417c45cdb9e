/**
 * The files in the directory of an embedded log.
 *
 *   log.json                              format and cluster id
 *   topics/<topic>/topic.json             topic id and number of partitions
 *   topics/<topic>/<partition>/durable    what readers may see (durable-end.ts)
 *   topics/<topic>/<partition>/<base offset>.log   record batches, Kafka format v2
 *   topics/<topic>/<partition>/writer-<n>.lock     who appends (writer-lock.ts)
 *   topics/<topic>/<partition>/<base offset>.log.<position>.damaged   bytes that a repair took out (repair.ts)
 *
 * Whatever else lies there (.DS_Store, lost+found) is passed over.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasCode, parseJson, syncDirectory } from '../../../common/index.ts'

export function topicsDirectory(root: string): string {
  return join(root, 'topics')
}

export function topicDirectory(root: string, topic: string): string {
  return join(topicsDirectory(root), topic)
}

export function partitionDirectory(root: string, topic: string, partition: number): string {
  return join(topicDirectory(root, topic), String(partition))
}

/** Twenty digits, so that names sort by offset. */
export function segmentFile(directory: string, baseOffset: bigint): string {
  return join(directory, `${String(baseOffset).padStart(20, '0')}.log`)
}

/** Where bytes from `position` on go that are taken out of a segment. */
export function damagedFile(directory: string, baseOffset: bigint, position: number): string {
  return `${segmentFile(directory, baseOffset)}.${position}.damaged`
}

/** Base offsets of the existing segments, rising. */
export async function listSegments(directory: string): Promise<bigint[]> {
  const names = await readdir(directory)
  return names
    .filter((name) => /^\d{20}\.log$/.test(name))
    .sort()
    .map((name) => BigInt(name.slice(0, 20)))
}

export async function readJsonFile(file: string): Promise<unknown> {
  return parseJson(await readFile(file, 'utf8'), file)
}

/** Replaces a small file atomically and durably. */
export async function replaceFile(file: string, body: string | Uint8Array): Promise<void> {
  const temporary = await writeTemporary(file, body)
  await rename(temporary, file)
  await syncDirectory(dirname(file))
}

/** Creates a small file durably unless it exists; false when another process has created it. */
export async function createFile(file: string, body: string): Promise<boolean> {
  const temporary = await writeTemporary(file, body)
  try {
    await link(temporary, file)
    await syncDirectory(dirname(file))
    return true
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    return false
  } finally {
    await rm(temporary, { force: true })
  }
}

async function writeTemporary(file: string, body: string | Uint8Array): Promise<string> {
  const temporary = `${file}.${randomUUID()}.tmp`
  await mkdir(dirname(file), { recursive: true })
  const handle = await open(temporary, 'wx')
  try {
    await handle.writeFile(body)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return temporary
}
