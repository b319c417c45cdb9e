/**
 * How long random and repetitive tests look, so that `npm run check` stays short and nothing is
 * tested less for it: 1 in `check`, 3 in `npm test` (scripts/test.ts), and what TIDEWATER_FUZZ says.
 * `TIDEWATER_FUZZ=50 npx vitest …` looks long, and where a test takes its seed from it, elsewhere.
 */
import { environment } from '../../common/index.ts'

export const fuzzEffort = Number(environment('TIDEWATER_FUZZ') ?? 1)
