import type { NodeResult } from '../batch-jobs/index.ts'
import { ValidationError } from '../common/index.ts'

/** The results of a run of the demo's models. Throws when one of them failed. */
export function requireSuccess(run: {
  readonly ok: boolean
  readonly results: readonly NodeResult[]
}): readonly NodeResult[] {
  if (run.ok) return run.results
  const failures = run.results.filter(({ status }) => status === 'error' || status === 'fail')
  const texts = failures.map(({ message, name }) => `${name}: ${message}`)
  throw new ValidationError(`a model of the demo failed: ${texts.join('; ')}`)
}
