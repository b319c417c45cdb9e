/** Makes and replaces the files of a partition as a whole. */
import { copyFile, mkdir, open, rename, type FileHandle } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { hasCode, syncDirectory } from '../../../common/index.ts'
import { durableFile, emptyDurableEnd, encodeDurableEnd, type DurableEnd } from './durable-end.ts'
import { listSegments, replaceFile, segmentFile } from './log-layout.ts'
import { readPublished } from './partition-recovery.ts'

/** Creates the files of a new, empty partition. */
export async function createPartition(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const segment = await open(segmentFile(directory, 0n), 'wx')
  await segment.close()
  const durable = await open(durableFile(directory), 'wx')
  try {
    await durable.write(encodeDurableEnd(emptyDurableEnd))
    await durable.sync()
  } finally {
    await durable.close()
  }
  await syncDirectory(directory)
}

/** Opens the file of the durable end, which is made when it is missing, and replaced when others may have it open. */
export async function openDurable(
  directory: string,
  end: DurableEnd,
  isReplaced: boolean,
): Promise<FileHandle> {
  const file = durableFile(directory)
  try {
    if (!isReplaced) return await open(file, 'r+')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  await replaceFile(file, encodeDurableEnd(end))
  return open(file, 'r+')
}

/**
 * Puts copies in place of the segments that are still written to: a paused process that wakes up appends to files
 * that no process reads any more.
 */
export async function leaveFilesToRival(directory: string): Promise<void> {
  const segments = await listSegments(directory)
  const from = (await readPublished(directory))?.segmentBase ?? segments.at(-1) ?? 0n
  for (const base of segments.filter((segment) => segment >= from)) {
    const file = segmentFile(directory, base)
    const copy = `${file}.${randomUUID()}.tmp`
    await copyFile(file, copy)
    const handle = await open(copy, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(copy, file)
  }
  await syncDirectory(directory)
}
