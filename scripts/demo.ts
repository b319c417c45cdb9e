/** `npm run demo`: the same as `tide demo`, from a clone. */
import { main } from '../cli/index.ts'

await main(['demo', ...process.argv.slice(2)])
