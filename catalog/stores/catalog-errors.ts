/** Errors that several acts of the catalog end with. */
import { formatIdentifier, type TableIdentifier } from '../format/identifiers.ts'
import {
  AlreadyExistsError,
  CommitStateUnknownError,
  errorMessage,
  NotFoundError,
  UnavailableError,
} from '../../common/index.ts'

/** Steps after the deciding swap: their failure must not read as "nothing happened". */
export async function orUnknown<T>(done: string, steps: () => Promise<T>): Promise<T> {
  try {
    return await steps()
  } catch (error) {
    if (error instanceof AlreadyExistsError || error instanceof NotFoundError) throw error
    throw new CommitStateUnknownError(`${done}, but what follows failed: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

export function exists(identifier: TableIdentifier): AlreadyExistsError {
  return new AlreadyExistsError('the table exists already', {
    facts: { table: formatIdentifier(identifier) },
  })
}

export function busy(identifier: TableIdentifier): UnavailableError {
  return new UnavailableError('the table is changed by others all the time', {
    facts: { table: formatIdentifier(identifier) },
  })
}
