/**
 * A rewrite in a process of its own, so that its memory can be told from that of the test: opens the
 * lake in the directory given, rewrites its table within the memory limit and says what it took.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ObjectStoreCatalog } from '../../catalog/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { rewriteOptions, rewriteTable } from '../../compactor/index.ts'
import { LocalFileIO } from '../../io/index.ts'
import { createDataFileRewriter, openDatabase } from '../../sql/index.ts'

export interface RewriteFacts {
  readonly filesBefore: number
  readonly filesAfter: number
  readonly rows: string
  /** Of the process: before any data was touched, and at most. */
  readonly residentBytesBefore: number
  readonly residentBytesMax: number
}

const [directory = '', memoryLimitBytes = ''] = process.argv.slice(2)
const io = new LocalFileIO()
const warehouse = pathToFileURL(join(directory, 'warehouse')).href
const database = await openDatabase({
  threads: 2,
  memoryLimitBytes: Number(memoryLimitBytes),
  tempDirectory: join(directory, 'spill'),
})
await database.withConnection((connection) => connection.run('SELECT 1'))
const residentBytesBefore = process.memoryUsage().rss
const { groups } = await rewriteTable(
  {
    catalog: new ObjectStoreCatalog({ io, warehouse }),
    io,
    rewriter: createDataFileRewriter(database),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    workDirectory: join(directory, 'work'),
  },
  { namespace: ['d'], name: 'events' },
  { options: (properties) => rewriteOptions(properties) },
)
database.close()
const facts: RewriteFacts = {
  filesBefore: groups.reduce((sum, group) => sum + group.filesBefore, 0),
  filesAfter: groups.reduce((sum, group) => sum + group.filesAfter, 0),
  rows: String(groups.reduce((sum, group) => sum + group.rows, 0n)),
  residentBytesBefore,
  residentBytesMax: process.resourceUsage().maxRSS * 1024,
}
process.stdout.write(JSON.stringify(facts))
