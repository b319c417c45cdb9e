/** What a process that runs queries holds after large results (docs/spec/sql.md, S5). */
import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const module = pathToFileURL(`${import.meta.dirname}/give-back-memory.ts`).href

describe('giveBackMemory', () => {
  it('[S5] frees rows that nothing refers to any more, on this version of Node', async () => {
    const program = `
      import { giveBackMemory } from ${JSON.stringify(module)}
      let rows = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(100_000, 65 + (i % 26)).toString('latin1'))
      const before = process.memoryUsage().heapUsed
      rows = undefined
      giveBackMemory()
      console.log(JSON.stringify({ before, after: process.memoryUsage().heapUsed }))
    `
    const flags = ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', program]
    const { stdout } = await run(process.execPath, flags)
    const { before, after } = JSON.parse(stdout) as { before: number; after: number }
    expect(before).toBeGreaterThan(300e6)
    expect(after).toBeLessThan(100e6)
  })
})
