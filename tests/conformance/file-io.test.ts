/** The FileIO suite over the stores that need no service. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalFileIO, MemoryFileIO } from '../../io/index.ts'
import { describeFileIO } from './describe-file-io.ts'

describeFileIO('memory', async () => ({ io: new MemoryFileIO(), prefix: 'memory://lake/t/' }))

describeFileIO('local directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'local-file-io-'))
  return {
    io: new LocalFileIO(),
    prefix: `file://${root}/t/`,
    dispose: () => rm(root, { recursive: true, force: true }),
  }
})
