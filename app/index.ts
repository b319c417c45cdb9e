/**
 * The library: `import { openLake } from 'tidewater'`. The composition root builds the parts of every
 * other folder from settings; nothing below it knows which parts there are.
 */
export { openLake, type Lake, type LakeTools } from './lake.ts'
