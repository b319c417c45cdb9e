/** minio: standing up and certifying the object store. */
export { bootstrapBucket } from './bootstrap-bucket.ts'
export {
  certifyStore,
  probeStore,
  refuseUnsafeStore,
} from './certify-store.ts'
export {
  rolePolicy,
  storeRoles,
  type StoreRole,
} from './policies.ts'
export { startNativeMinio } from './native.ts'
