/** Errors that several operations of the catalog share. */
import { formatIdentifier, type TableIdentifier } from '../format/identifiers.ts'
import {
  AlreadyExistsError,
  CommitStateUnknownError,
  errorMessage,
  NotFoundError,
  UnavailableError,
} from '../../common/index.ts'

/** Runs steps after the deciding swap, whose failure must not look as if nothing had happened. */
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
  return new UnavailableError('other writers keep changing the table; try again later', {
    facts: { table: formatIdentifier(identifier) },
  })
}
