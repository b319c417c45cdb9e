/** The files that say what a log and its topics are: log.json and topic.json. */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CorruptDataError, NotFoundError, ValidationError, hasCode } from '../../../common/index.ts'
import type { TopicDescription } from '../record-source.ts'
import { isTopicName } from '../topic-name.ts'
import { createFile, readJsonFile, topicDirectory, topicsDirectory } from './log-layout.ts'

/** Makes the directory a log; one that another process has made since then stays. */
export async function createHead(directory: string): Promise<void> {
  const head = { format: 1, clusterId: `embedded-${randomUUID()}` }
  await mkdir(topicsDirectory(directory), { recursive: true })
  await createFile(headFile(directory), JSON.stringify(head))
}

function headFile(directory: string): string {
  return join(directory, 'log.json')
}

/** Throws NotFoundError, with the requested topics, when the directory is no log. */
export async function readClusterId(
  directory: string,
  requested: readonly string[] = [],
): Promise<string> {
  const file = headFile(directory)
  try {
    const head = (await readJsonFile(file)) as { format?: unknown; clusterId?: unknown }
    if (head.format === 1 && typeof head.clusterId === 'string') return head.clusterId
    throw new ValidationError('the directory holds an embedded log of another format', {
      facts: { file, format: String(head.format) },
    })
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
    const topics = await readdir(topicsDirectory(directory)).catch(unlessNoFolder)
    if (topics.some(isTopicName)) {
      throw new CorruptDataError(
        'an embedded log has lost its head; write {"format":1,"clusterId":"ID"} into the file, with the cluster id that snapshots of its tables name in tidewater.cluster-id',
        { facts: { file } },
      )
    }
    throw new NotFoundError(
      'there is no embedded log in the directory; check its name, or make one: tide topic create TOPIC, or tide topic produce TOPIC --create',
      {
        facts: { directory, topics: requested.length === 0 ? undefined : requested.join(',') },
        cause: error,
      },
    )
  }
}

/** What else lies among the topics (.DS_Store, lost+found) is passed over. */
export async function listTopicNames(root: string): Promise<readonly string[]> {
  const topics: string[] = []
  for (const name of (await readdir(topicsDirectory(root)).catch(unlessNoFolder)).toSorted()) {
    if (!isTopicName(name)) continue
    const held = await readdir(topicDirectory(root, name)).catch(unlessNoFolder)
    // Without its description a folder of partitions is a damaged topic, which must not vanish.
    if (held.includes('topic.json') || held.includes('0')) topics.push(name)
  }
  return topics
}

/** Throws NotFoundError. */
export async function readTopic(root: string, topic: string): Promise<TopicDescription> {
  const file = topicFile(root, topic)
  try {
    return describedTopic(topic, await readJsonFile(file), file)
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
    const held = await readdir(topicDirectory(root, topic)).catch(unlessNoFolder)
    if (held.includes('0')) throw lostDescription(topic, file)
    throw new NotFoundError(
      'the embedded log has no such topic; create it, or check the name and the directory',
      { facts: { topic, directory: root }, cause: error },
    )
  }
}

export function topicJson(topicId: string, partitions: number): string {
  return JSON.stringify({ topicId, partitions })
}

export function topicFile(root: string, topic: string): string {
  return join(topicDirectory(root, topic), 'topic.json')
}

function describedTopic(topic: string, stored: unknown, file: string): TopicDescription {
  const { topicId, partitions } = stored as { topicId?: unknown; partitions?: unknown }
  if (typeof topicId === 'string' && Number.isInteger(partitions)) {
    return { topic, topicId, partitionCount: Number(partitions) }
  }
  throw lostDescription(topic, file)
}

function lostDescription(topic: string, file: string): CorruptDataError {
  return new CorruptDataError(
    'a topic of the embedded log has lost its description; write {"topicId":"ID","partitions":N} into the file, with the topic id that snapshots of its tables name in tidewater.offsets',
    { facts: { topic, file } },
  )
}

function unlessNoFolder(error: unknown): readonly string[] {
  if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
  throw error
}
