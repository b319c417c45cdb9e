import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lines } from './produce-lines.ts'

async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

async function all(parts: readonly Uint8Array[]): Promise<readonly string[]> {
  const found: string[] = []
  for await (const line of lines(chunks(parts))) found.push(Buffer.from(line).toString('latin1'))
  return found
}

describe('lines()', () => {
  it('splits at newlines, drops carriage returns, keeps empty lines and a last one', async () => {
    expect(await all([Buffer.from('a\r\n\nb')])).toEqual(['a', '', 'b'])
    expect(await all([])).toEqual([])
    expect(await all([Buffer.from('a\n')])).toEqual(['a'])
  })

  it('gives the same lines however the input is cut into chunks', async () => {
    const text = fc.array(fc.constantFrom(0x0a, 0x61, 0xff, 0xc3), { maxLength: 40 })
    const cuts = fc.array(fc.nat(40), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(text, cuts, async (codes, at) => {
        const bytes = Uint8Array.from(codes)
        const marks = [0, ...at.sort((left, right) => left - right), bytes.length]
        const parts = marks.slice(1).map((end, index) => bytes.subarray(marks[index], end))
        const whole = Buffer.from(bytes).toString('latin1').split('\n')
        if (whole.at(-1) === '') whole.pop()
        expect(await all(parts)).toEqual(whole)
      }),
    )
  })
})
