/** The version of the package this file lies in, from source (cli/) or compiled (dist/cli/). */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export function packageVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (let level = 0; level < 4; level++) {
    try {
      const document = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        readonly name?: string
        readonly version?: string
      }
      if (document.name === 'tidewater') return document.version ?? 'unknown'
    } catch {
      // Most folders on the way up hold no package.json.
    }
    folder = dirname(folder)
  }
  return 'unknown'
}
