import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EmbeddedLog, createEmbeddedSource, type RecordCodec } from '../../ingest/index.ts'
import { patience } from '../support/eventually.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { describeRecordSource, type RecordSourceHarness } from './describe-record-source.ts'

// Much of the suite waits for records, so the check waits with one codec and `npm test` with both.
const codecs = fuzzEffort > 1 ? (['zstd', 'none'] as const) : (['zstd'] as const)
for (const codec of codecs) {
  describeRecordSource(`embedded log (${codec})`, () => embeddedHarness(codec), {
    noticesPartitionsWithinMs: patience.timeout,
  })
}

async function embeddedHarness(codec: RecordCodec): Promise<RecordSourceHarness> {
  const directory = await mkdtemp(join(tmpdir(), 'tidewater-log-'))
  const log = await EmbeddedLog.open(directory, { codec })
  // Another instance reads, as another process would.
  const reading = await EmbeddedLog.open(directory)
  return {
    createTopic: async (topic, partitionCount) => {
      await log.createTopic(topic, partitionCount)
    },
    deleteTopic: (topic) => log.deleteTopic(topic),
    addPartitions: async (topic, partitionCount) => {
      await log.addPartitions(topic, partitionCount)
    },
    produce: async (partition, records) => {
      await log.append(partition, records)
    },
    deleteRecords: (partition, beforeOffset) => log.deleteRecords(partition, beforeOffset),
    source: (topics) => createEmbeddedSource({ log: reading, topics, topicsIntervalMs: 50 }),
    close: async () => {
      await log.close()
      await rm(directory, { recursive: true })
    },
  }
}
