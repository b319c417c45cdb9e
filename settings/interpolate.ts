/**
 * `${VAR}` and `${VAR:default}` inside one scalar, after the YAML was parsed: a value can neither
 * break the structure of the document nor be looked for in its comments.
 */
import { readFileSync } from 'node:fs'
import { SettingsError, errorMessage } from '../common/index.ts'

export interface VariableSource {
  /** The value of a variable, or of the file that `<NAME>_FILE` points at; undefined when unset. */
  (name: string): string | undefined
}

const reference = /\$\$\{|\$\{([^}]*)\}/g
const referenceBody = /^([A-Za-z_][A-Za-z0-9_]*)(?::(.*))?$/s

/** Variables of `environment`; secrets may lie in files, as container platforms mount them. */
export function variableSource(
  environment: Readonly<Record<string, string | undefined>>,
  readSecret: (file: string) => string = (file) => readFileSync(file, 'utf8'),
): VariableSource {
  return (name) => {
    const value = environment[name]
    if (value !== undefined) return value
    const file = environment[`${name}_FILE`]
    if (file === undefined || file === '') return undefined
    try {
      // Editors and `echo` end a file with a newline that is no part of the secret.
      return readSecret(file).replace(/\r?\n$/, '')
    } catch (error) {
      throw new SettingsError(`cannot read the file that ${name}_FILE names`, {
        facts: { file, reason: errorMessage(error) },
        cause: error,
      })
    }
  }
}

/** Replaces every reference; `$${` stands for a literal `${`. Throws SettingsError when one is unset. */
export function interpolate(text: string, variables: VariableSource): string {
  if (!text.includes('${')) return text
  return text.replace(reference, (whole: string, body: string | undefined) => {
    if (whole === '$${') return '${'
    const match = referenceBody.exec(body ?? '')
    if (match === null) {
      throw new SettingsError(
        `not a variable: "${whole}" (write \${NAME} or \${NAME:default}; $\${ for a literal \${)`,
      )
    }
    const [, name = '', fallback] = match
    const value = variables(name)
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) {
      throw new SettingsError(
        `variable ${name} is not set (set it, set ${name}_FILE, or give a default: \${${name}:...})`,
      )
    }
    return value
  })
}
