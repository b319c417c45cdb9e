/**
 * Refuses to register a table that the catalog already has under another name.
 *
 * Two names of one table would each drop, expire and purge the files of the other.
 */
import { formatIdentifier } from '../format/identifiers.ts'
import { AlreadyExistsError, errorMessage, type Logger } from '../../common/index.ts'
import { plainLocation } from './location-rules.ts'
import { isSameUuid } from './table-pointer.ts'
import type { TablePointers } from './table-pointers.ts'

export interface NewName {
  readonly metadataLocation: string
  readonly tableUuid: string
}

/**
 * Throws AlreadyExistsError when a table of the catalog has that metadata file or that uuid. A pointer
 * that this release cannot read, damaged or of a newer release, is skipped and logged: it must not stop the
 * registration of all other tables.
 */
export async function refuseSecondName(
  pointers: TablePointers,
  { metadataLocation, tableUuid }: NewName,
  logger: Logger,
): Promise<void> {
  const file = plainLocation(metadataLocation)
  const twin = await pointers.find(
    (other) =>
      isSameUuid(other.tableUuid, tableUuid) || plainLocation(other.metadataLocation) === file,
    (object, error) =>
      logger.warn('catalog.pointer-skipped', { object, error: errorMessage(error) }),
  )
  if (twin === undefined) return
  const table = formatIdentifier(twin.identifier)
  throw new AlreadyExistsError(
    'the catalog has this table already: read an older state of it by time travel, keep one as a ' +
      'branch or a tag, or rename the table; to register it again drop it first, without purge',
    { facts: { table, uuid: tableUuid === '' ? undefined : tableUuid } },
  )
}
