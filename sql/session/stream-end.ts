/**
 * Whether a streamed result came to its end or broke off.
 *
 * The driver (node-api 1.5.5) reports a failure in the middle of a stream as its end: rows would be
 * missing without an error. But the failure ends DuckDB's transaction, so code that streams inside a
 * transaction can check afterwards whether it still works.
 */
import type { DuckDBConnection } from '@duckdb/node-api'

/** True when rows are missing. The stream must have run in an explicit transaction of `connection`. */
export async function isBrokenOff(connection: DuckDBConnection): Promise<boolean> {
  try {
    await connection.run('SELECT 1')
    return false
  } catch {
    return true
  }
}
