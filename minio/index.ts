/** minio: standing up and certifying the object store. */
export { bootstrapBucket } from './bootstrap-bucket.ts'
export { certifyStore, probeStore, refuseUnsafeStore } from './certify-store.ts'
export { startNativeMinio } from './native.ts'
export { type StoreRole, rolePolicy, storeRoles } from './policies.ts'
