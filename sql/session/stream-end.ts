/**
 * Whether a streamed result came to its end or broke off.
 *
 * The driver (node-api 1.5.5) reports a failure in the middle of a stream as its end: rows would be
 * missing and nobody told. But the failure ends DuckDB's transaction, so whoever streams inside one
 * can ask afterwards.
 */
import type { DuckDBConnection } from '@duckdb/node-api'

/** True: rows are missing. `connection` must have been in an explicit transaction all along. */
export async function isBrokenOff(connection: DuckDBConnection): Promise<boolean> {
  try {
    await connection.run('SELECT 1')
    return false
  } catch {
    return true
  }
}
