/** A local folder for one run's spool files: a cache of the log, not used after a crash. */
import { openOwnDirectory } from '../../common/index.ts'

export function openSpoolDirectory(parent?: string): Promise<string> {
  return openOwnDirectory('tidewater-spool', parent)
}
