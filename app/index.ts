/**
 * The library: `import { openLake } from 'tidewater'`. The composition root builds the parts of every
 * other folder from settings; nothing below it knows which parts there are.
 */
export { openLake, type Lake, type LakeTools } from './lake.ts'
export { openSource, withoutGroup, type SourceTools } from './open-source.ts'
export {
  bucketPolicies,
  checkInput,
  checkLake,
  checkNode,
  type DoctorCheck,
} from './doctor.ts'
export { openServer } from './open-server.ts'
export { requireSafeStore } from './safe-store.ts'
