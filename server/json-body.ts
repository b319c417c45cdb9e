/**
 * JSON bodies with exact 64-bit numbers, refused before parsing when they nest too deeply.
 */
import {
  CorruptDataError,
  type Json,
  ValidationError,
  errorMessage,
  parseJson,
} from '../common/index.ts'

/** Deeper than any schema; a parser's stack is finite. */
const depthMax = 128

export function parseBody(text: string): Json | undefined {
  if (text.trim() === '') return undefined
  if (depthOf(text) > depthMax) {
    throw new ValidationError('the body nests too deeply', { facts: { max: depthMax } })
  }
  return asRequest(() => parseJson(text, 'body'))
}

/** Decodes what a client sent: what is damaged there is the client's mistake, not our store's. */
export function asRequest<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    throw new ValidationError(errorMessage(error), { cause: error })
  }
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === 0x5c) index++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (code === 0x7d || code === 0x5d) depth--
  }
  return deepest
}
