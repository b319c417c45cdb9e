/** A process that holds children for queries and waits to be killed (tests/e2e/sandbox.test.ts). */
import { silentLogger, systemClock } from '../../common/index.ts'
import { SandboxPool } from '../../sql/sandbox/sandbox-pool.ts'

const pool = await SandboxPool.start({
  limits: {
    memoryBytesMax: 200e6,
    threads: 1,
    tempBytesMax: 50e6,
    rowsMax: 10,
    resultBytesMax: 1e6,
  },
  mode: 'auto',
  concurrency: 1,
  queuedMax: 1,
  timeoutMs: 240_000,
  clock: systemClock,
  logger: silentLogger,
})
const session = await pool.openSession()
await session.begin()
process.stdout.write('running\n')
const rows = await session.stream(
  'SELECT count(*) FROM range(100000000000) a(i) WHERE hash(i) = 1',
  [],
)
await rows.next()
