/**
 * Names of namespaces and tables: which are allowed, and how they become parts of object keys.
 *
 * A shell, a URL, a policy or a file system may read some characters specially, so those
 * are refused and every byte outside a plain set is written as `~` and two hex digits
 * (percent signs would be decoded by some client on the way). Levels are joined with a dot, which is
 * itself escaped inside a level, so two names never share a key.
 */
import { type Namespace, type TableIdentifier, formatNamespace } from '../format/identifiers.ts'
import { ValidationError } from '../../common/index.ts'

const refused = /[*?%'"/\\\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|\.\./u
/** The longest file name of common file systems is 255 bytes; the suffixes need room. */
const encodedLengthMax = 200
const levelsMax = 16
/** The catalog's own folder under the warehouse. */
export const catalogFolder = '_catalog'

export function checkIdentifier(identifier: TableIdentifier): void {
  checkNamespace(identifier.namespace)
  checkName(identifier.name, 'table')
}

/** Checks the name of a new table; tables that already have a reserved name stay usable. */
export function checkNewIdentifier(identifier: TableIdentifier): void {
  checkIdentifier(identifier)
  if (!identifier.name.includes('$')) return
  throw new ValidationError(
    'a table name must not hold $: name$snapshots, name$batch and the like are parts of a table',
    { facts: { name: JSON.stringify(identifier.name.slice(0, 80)) } },
  )
}

export function checkNamespace(namespace: Namespace): void {
  if (namespace.length === 0 || namespace.length > levelsMax) {
    throw new ValidationError(`a namespace has 1 to ${levelsMax} levels`, {
      facts: { levels: namespace.length },
    })
  }
  for (const level of namespace) checkName(level, 'namespace')
  if (namespace[0] === catalogFolder) {
    throw new ValidationError('this namespace is reserved for the catalog', {
      facts: { namespace: formatNamespace(namespace) },
    })
  }
  if (encodeNamespace(namespace).length > encodedLengthMax)
    throw tooLong(formatNamespace(namespace))
}

function checkName(name: string, what: 'table' | 'namespace'): void {
  const shown = JSON.stringify(name.slice(0, 80))
  if (name === '' || name === '.' || name.trim() !== name) {
    throw new ValidationError(`a ${what} name is empty, a dot or padded with spaces`, {
      facts: { name: shown },
    })
  }
  if (refused.test(name)) {
    throw new ValidationError(
      `a ${what} name must not hold * ? % ' " / \\ .. or control characters`,
      { facts: { name: shown } },
    )
  }
  if (name.normalize('NFC') !== name) {
    throw new ValidationError(`a ${what} name must be in Unicode normal form C`, {
      facts: { name: shown },
    })
  }
  if (encodeName(name).length > encodedLengthMax) throw tooLong(name)
}

function tooLong(name: string): ValidationError {
  return new ValidationError(`a name is too long for an object key (${encodedLengthMax} bytes)`, {
    facts: { name: JSON.stringify(name.slice(0, 80)) },
  })
}

/** Letters, digits, `_` and `-` as they are, every other byte of the UTF-8 form as `~XX`. */
export function encodeName(name: string): string {
  return [...Buffer.from(name, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      if (/[A-Za-z0-9_-]/.test(character)) return character
      return `~${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

export function encodeNamespace(namespace: Namespace): string {
  return namespace.map(encodeName).join('.')
}
