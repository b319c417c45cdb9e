/** Runs the catalog suite over the bucket-only catalog, on memory and on a directory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ObjectStoreCatalog, RestCatalog } from '../../catalog/index.ts'
import { LocalFileIO, MemoryFileIO } from '../../io/index.ts'
import { createServer } from '../../server/index.ts'
import { describeCatalog } from './describe-catalog.ts'

const commitRetry = { retriesMax: 20, waitMsMin: 1, waitMsMax: 20, totalMsMax: 60_000 }

describeCatalog('a bucket in memory', async () => {
  const io = new MemoryFileIO()
  const warehouse = 'memory://lake/warehouse'
  const catalog = new ObjectStoreCatalog({ io, warehouse, commitRetry })
  return { catalog, warehouse, close: () => io.close() }
})

describeCatalog('a local directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tidewater-catalog-'))
  const io = new LocalFileIO({ root })
  const warehouse = `file://${root}/warehouse`
  const catalog = new ObjectStoreCatalog({ io, warehouse, commitRetry })
  return {
    catalog,
    warehouse,
    close: async () => {
      await io.close()
      await rm(root, { recursive: true })
    },
  }
})

describeCatalog('REST to our server', async () => {
  const io = new MemoryFileIO()
  const warehouse = 'memory://lake/warehouse'
  const server = createServer({
    catalog: new ObjectStoreCatalog({ io, warehouse, commitRetry }),
    port: 0,
  })
  const catalog = new RestCatalog({ uri: await server.start() })
  return { catalog, warehouse, close: () => server.stop() }
})
