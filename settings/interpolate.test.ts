import { describe, expect, it } from 'vitest'
import { interpolate, variableSource } from './interpolate.ts'

const secrets: Readonly<Record<string, string>> = { '/run/secrets/key': 'from file\n' }
const variables = variableSource(
  { HOST: 'broker', EMPTY: '', KEY_FILE: '/run/secrets/key', GONE_FILE: '/nowhere' },
  (file) => {
    const text = secrets[file]
    if (text === undefined) throw new Error('no such file')
    return text
  },
)

describe('interpolate()', () => {
  it('replaces variables, defaults and several in one scalar', () => {
    expect(interpolate('${HOST}:9092', variables)).toBe('broker:9092')
    expect(interpolate('${HOST}-${PORT:9092}', variables)).toBe('broker-9092')
    expect(interpolate('${PORT:}', variables)).toBe('')
    expect(interpolate('${EMPTY:x}|${EMPTY}', variables)).toBe('x|')
    expect(interpolate('${PORT:http://a:1}', variables)).toBe('http://a:1')
  })

  it('keeps $${ as a literal and never reads values again', () => {
    expect(interpolate('$${HOST}', variables)).toBe('${HOST}')
    const nested = variableSource({ A: '${B}', B: 'secret' })
    expect(interpolate('${A}', nested)).toBe('${B}')
  })

  it('reads the file that NAME_FILE names, without its last newline', () => {
    expect(interpolate('${KEY}', variables)).toBe('from file')
    expect(() => interpolate('${GONE}', variables)).toThrow(
      'cannot read the file that GONE_FILE names',
    )
  })

  it('refuses an unset variable and what is no variable', () => {
    expect(() => interpolate('${NOPE}', variables)).toThrow('variable NOPE is not set')
    expect(() => interpolate('${not a name}', variables)).toThrow('not a variable')
  })
})
