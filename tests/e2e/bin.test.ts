/** The command as a process of its own; what it says is tested in cli/run.test.ts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { exitOf, lineOf, spawnTide } from '../support/tide.ts'

it('bin/tide.ts hands exit codes and streams to the shell', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tide-bin-'))
  try {
    const run = async (...args: readonly string[]): Promise<unknown> => {
      const child = spawnTide(args, { directory })
      const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)]
      const code = await exitOf(child)
      return { code, stdout: await stdout, stderr: await stderr }
    }
    expect(await run('--version')).toMatchObject({ code: 0, stderr: '' })
    const listed = await run('table', 'list', '--warehouse', join(directory, 'w'))
    expect(listed).toEqual({ code: 0, stdout: 'no tables\n', stderr: '' })
    expect(await run('nonsense')).toMatchObject({ code: 2, stdout: '' })
    const faulty = join(directory, 'a.yaml')
    await writeFile(faulty, 'name: [\n')
    const linted = { code: 1, stdout: expect.stringContaining('a.yaml:') as unknown }
    expect(await run('stream', 'lint', faulty)).toMatchObject(linted)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

it('is not killed by a signal that is passed on while it ends', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tide-bin-'))
  try {
    const child = spawnTide(['serve', '--port', '0', '--warehouse', join(directory, 'w')], {
      directory,
    })
    await lineOf(child, /^http/)
    while (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT')
      await systemClock.sleep(1)
    }
    // 130: the machine was so slow that the last ones counted as another wish.
    expect([0, 130]).toContain(await exitOf(child))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

async function textOf(stream: AsyncIterable<Buffer> | null): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream ?? []) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
