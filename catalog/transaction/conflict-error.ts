/** The error of a commit whose plan is outdated: planning again can help, retrying cannot. */
import { type ErrorFacts, LakeError } from '../../common/index.ts'

/**
 * Another commit took files away, or added rows or deletes, that this change depends on. Retrying the
 * same change cannot help; the caller plans again on the table as it is now. Nothing was applied.
 */
export class ConflictError extends LakeError {
  readonly code = 'conflict'
  /** The files of the conflict, if there are any. */
  readonly files: readonly string[]

  constructor(message: string, files: readonly string[], facts: ErrorFacts = {}) {
    super(message, { facts: { ...facts, files: files.length, file: files[0] } })
    this.files = files
  }
}
