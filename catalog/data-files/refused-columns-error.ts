import { LakeError } from '../../common/index.ts'

/**
 * The engine refuses a value of a columnar spool, of which no record can be made again. The same records as a
 * spool of JSON can be written, but for those that the engine refuses there, too.
 */
export class RefusedColumnsError extends LakeError {
  readonly code = 'refused-columns'

  constructor(cause: unknown) {
    super('the engine refuses a value that was checked before', { cause })
  }
}
