/**
 * Turns a DuckDB instance into one that reads the given files and nothing else (docs/spec/sql.md S2).
 *
 * DuckDB's settings can only be tightened in this order: the list of files first, then external access
 * off, then the configuration locked. The settings are read back, because one that silently had no
 * effect would protect nothing.
 */
import { realpath } from 'node:fs/promises'
import type { Database } from '../session/database.ts'
import { CorruptDataError } from '../../common/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'

export async function lockDown(database: Database, files: readonly string[]): Promise<void> {
  await database.withConnection(async (connection) => {
    const list = files.map(quoteLiteral).join(', ')
    await connection.run(`SET GLOBAL allowed_paths = [${list}]::VARCHAR[]`)
    await connection.run("SET GLOBAL disabled_filesystems = 'HTTPFileSystem'")
    await connection.run('SET GLOBAL enable_external_access = false')
    await connection.run('SET GLOBAL lock_configuration = true')
    const reader = await connection.runAndReadAll(
      "SELECT current_setting('enable_external_access'), current_setting('lock_configuration'), " +
        "current_setting('autoinstall_known_extensions'), current_setting('autoload_known_extensions'), " +
        "current_setting('allow_community_extensions'), current_setting('allow_unsigned_extensions'), " +
        "current_setting('allowed_paths'), current_setting('allowed_directories'), " +
        "current_setting('temp_directory')",
    )
    checkLocked(reader.getRowsJson()[0] ?? [], await namesOf(files))
  })
}

/** The files under their own names: DuckDB resolves links before it compares. */
async function namesOf(files: readonly string[]): Promise<ReadonlySet<string>> {
  const resolved = await Promise.all(files.map((file) => realpath(file).catch(() => file)))
  return new Set([...files, ...resolved])
}

function checkLocked(row: readonly unknown[], files: ReadonlySet<string>): void {
  const [access, locked, install, load, community, unsigned, paths, directories, temporary] = row
  const flags = { access, install, load, community, unsigned, locked: locked !== true }
  const open = Object.entries(flags).find(([, value]) => value !== false)
  if (open !== undefined) {
    throw new CorruptDataError('the query engine did not lock down', { facts: { open: open[0] } })
  }
  const allowed = paths as readonly string[]
  // DuckDB itself lets an instance into the folder that it spills to.
  const own = new Set([`${String(temporary)}/`, String(temporary)])
  const others = (directories as readonly string[]).filter((directory) => !own.has(directory))
  const other = allowed.find((path) => !files.has(path)) ?? others[0]
  if (other !== undefined) {
    throw new CorruptDataError('the query engine would open more than the files of the query', {
      facts: { path: other },
    })
  }
}
