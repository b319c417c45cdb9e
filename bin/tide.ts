#!/usr/bin/env node
/** The command `tide`. Everything it does is in `cli`. */
import { main } from '../cli/index.ts'
import { tuneRuntime } from '../common/index.ts'

tuneRuntime()
await main()
