/**
 * High-entropy JSON records of about 230 bytes and 11 columns: few distinct values would flatter
 * every writer through dictionary coding (shared design, "Speed").
 */
import { randomBytes } from 'node:crypto'
import type { Writable } from 'node:stream'
import { once } from 'node:events'

const firstMs = Date.UTC(2024, 0, 1)
const spanMs = 3 * 24 * 3600 * 1000

/** Writes `count` records, a line each, over three days of event time in rising order. */
export async function generateRecords(out: Writable, count: number): Promise<void> {
  const stepMs = spanMs / count
  let text = ''
  for (let index = 0; index < count; index++) {
    const random = randomBytes(40)
    const ts = new Date(firstMs + Math.floor(index * stepMs)).toISOString()
    text +=
      `{"id":${random.readUIntBE(0, 6)},"ts":"${ts}","user":"${random.toString('hex', 6, 14)}",` +
      `"session":"${random.toString('hex', 14, 30)}","amount":${(random.readUInt32BE(0) / 100).toFixed(2)},` +
      `"qty":${random[4] ?? 0},"lat":${coordinate(random, 5, 180)},"lon":${coordinate(random, 9, 360)},` +
      `"ok":${((random[5] ?? 0) & 1) === 1},"tag":"${random.toString('base64url', 30, 36)}","n":${random.readInt32BE(20)}}\n`
    if (text.length < 1 << 18) continue
    if (!out.write(text)) await once(out, 'drain')
    text = ''
  }
  if (text !== '' && !out.write(text)) await once(out, 'drain')
}

function coordinate(random: Buffer, at: number, span: number): string {
  return ((random.readUInt32BE(at) / 2 ** 32) * span - span / 2).toFixed(6)
}
