/** Whether a stream can run over the tables that it has, by the very code that runs it; changes nothing. */
import { loadTableIfExists } from '../../catalog/index.ts'
import type { PlaceColumns } from '../offsets/place-epochs.ts'
import { checkDeadLetterTable } from '../schema/stream-table.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { Tables, type TablesParts } from './tables.ts'

/**
 * The columns in which its rows would say which record they came from. Its table must exist. Throws what the
 * start of the stream would throw.
 */
export async function checkStream(
  settings: StreamSettings,
  parts: TablesParts,
): Promise<PlaceColumns | undefined> {
  const letters = await loadTableIfExists(parts.catalog, settings.errors.deadLetterTable)
  if (letters !== undefined) checkDeadLetterTable(letters)
  const tables = new Tables(settings, parts)
  await tables.load()
  return tables.reader?.place
}
