/** What a commit was planned on has changed for good: the plan, not the commit, has to be made again. */
import { type ErrorFacts, LakeError } from '../../common/index.ts'

/**
 * Another commit took files away, or added rows or deletes, that this change depends on. Retrying the
 * same change cannot help; the caller plans again on the table as it is now. Nothing was applied.
 */
export class ConflictError extends LakeError {
  readonly code = 'conflict'
  /** The files in question, as far as there are any. */
  readonly files: readonly string[]

  constructor(message: string, files: readonly string[], facts: ErrorFacts = {}) {
    super(message, { facts: { ...facts, files: files.length, file: files[0] } })
    this.files = files
  }
}
