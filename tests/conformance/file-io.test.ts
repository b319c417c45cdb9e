/** The FileIO suite over the stores that need no service. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalFileIO, MemoryFileIO, openFileIO } from '../../io/index.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { describeFileIO } from './describe-file-io.ts'

describeFileIO('memory', async () => ({ io: new MemoryFileIO(), prefix: 'memory://lake/t/' }))

describeFileIO('local directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'local-file-io-'))
  return {
    io: new LocalFileIO(),
    prefix: `file://${root}/t/`,
    manyObjects: 370 * fuzzEffort,
    dispose: () => rm(root, { recursive: true, force: true }),
  }
})

describeFileIO('faulty with no fault armed', async () => ({
  io: new FaultyFileIO(new MemoryFileIO()),
  prefix: 'memory://lake/faulty/',
}))

describeFileIO('stores by scheme', async () => ({
  io: openFileIO(),
  prefix: 'memory://lake/routed/',
}))
