/**
 * A record batch that is damaged on the broker's disk: what precedes it is read and committed, the error names the way
 * past it, and what lies behind can be read (K8).
 */
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectKafkaTools, type KafkaTools } from '../../support/kafka-tools.ts'
import { type KafkaService, requirePart, startKafka } from '../../support/services/index.ts'
import { tide as runTide, type TideOutcome } from '../../support/tide.ts'

describe.skipIf(!requirePart('kafka'))('a damaged batch in a Kafka topic', () => {
  let kafka: KafkaService
  let tools: KafkaTools
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tide-wild-damaged-'))
    await mkdir(join(directory, 'streams'))
    await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: ./lake }\n')
    kafka = await startKafka()
    tools = await connectKafkaTools(kafka.bootstrap)
  })
  afterAll(async () => {
    await tools?.close()
    await kafka?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const tide = (line: string): Promise<TideOutcome> => runTide(line, { directory })
  const ids = (from: number, to: number): number[] =>
    Array.from({ length: to - from }, (_, index) => from + index)

  it.each([
    ['a record', 90],
    ['the magic byte', 16],
  ])('K8 [R12] one bit of batch 3 of 5 flipped: %s', async (what, at) => {
    const topic = what.replaceAll(' ', '-')
    await tools.createTopic(topic, { partitions: 1 })
    for (let batch = 0; batch < 5; batch++) {
      const values = ids(batch * 10, batch * 10 + 10).map((id) => ({ value: `{"id":${id}}` }))
      await tools.produce(topic, values)
    }
    // The broker sends what its file holds, without looking at it.
    const file = join(kafka.dataFolder, 'log', `${topic}-0`, '00000000000000000000.log')
    const handle = await open(file, 'r+')
    const bytes = Buffer.alloc((await handle.stat()).size)
    await handle.read(bytes, 0, bytes.length, 0)
    let start = 0
    for (let batch = 0; batch < 2; batch++) start += 12 + bytes.readInt32BE(start + 8)
    await handle.write(Buffer.of((bytes[start + at] ?? 0) ^ 1), 0, 1, start + at)
    await handle.close()

    await writeFile(
      join(directory, 'streams/s.yaml'),
      `name: s
input: { kafka: { seed_brokers: ["${kafka.bootstrap}"], topics: ["${topic}"] } }
schema: { fields: [{ name: id, type: long }] }
output: { iceberg: { table: web.${topic.replaceAll('-', '_')} } }
`,
    )
    const run = await tide('stream run --until latest')
    expect([run.code, run.stderr]).toEqual([
      1,
      expect.stringContaining(`tide stream offsets NAME set ${topic}:0=`),
    ])
    expect(run.stderr).toContain(`topic=${topic} partition=0`)
    const status = await tide('stream status --partitions -o json')
    expect(JSON.parse(status.stdout)).toMatchObject([{ next_offset: 20, latest: 50 }])

    const whole = await tide(`topic consume ${topic} -e -b ${kafka.bootstrap}`)
    expect(whole.stdout.trim().split('\n')).toEqual(ids(0, 20).map((id) => `{"id":${id}}`))
    expect(whole.code).toBe(1)
    // A broker that cannot walk over the damaged head itself does not get to what is behind.
    if (what !== 'a record') return
    const behind = await tide(`topic consume ${topic} -e -o 30 -b ${kafka.bootstrap} -f %o,`)
    expect(behind.stdout).toBe(
      ids(30, 50)
        .map((id) => `${id},`)
        .join(''),
    )
  })
})
