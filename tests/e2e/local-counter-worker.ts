/**
 * One process of local-file-io-processes.test.ts: adds 1 to a shared counter, again and again, by
 * compare-and-swap on a local file, and says so on stdout after each step that it knows to be done.
 *
 * Arguments: location, name of this worker, number of steps.
 */
import { UnavailableError } from '../../common/index.ts'
import { LocalFileIO } from '../../io/index.ts'

interface Counter {
  readonly count: number
  /** Steps done per worker: the way to settle an unknown outcome. */
  readonly steps: Readonly<Record<string, number>>
}

const [location = '', name = '', steps = '0'] = process.argv.slice(2)
const io = new LocalFileIO()

for (let step = 1; step <= Number(steps); step++) {
  while (!(await tryStep(step))) {
    // Another worker was faster.
  }
  process.stdout.write(`${step}\n`)
}

async function tryStep(step: number): Promise<boolean> {
  const { body, etag } = await io.readObject(location)
  const counter = JSON.parse(Buffer.from(body).toString()) as Counter
  if ((counter.steps[name] ?? 0) >= step) return true
  const next: Counter = { count: counter.count + 1, steps: { ...counter.steps, [name]: step } }
  try {
    const body = Buffer.from(JSON.stringify(next))
    return (await io.write(location, body, { kind: 'if-match', etag })).ok
  } catch (error) {
    // Unknown: the next look at the counter tells.
    if (error instanceof UnavailableError) return false
    throw error
  }
}
