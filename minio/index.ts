/** minio: standing up and certifying the object store. */
export {
  bootstrapBucket,
  type BootstrapOptions,
  type BootstrapReport,
  type BootstrapStep,
} from './bootstrap-bucket.ts'
export {
  certifyStore,
  probeStore,
  refuseUnsafeStore,
  type CertifyOptions,
  type StoreCheck,
} from './certify-store.ts'
export {
  bucketPolicy,
  rolePolicy,
  storeRoles,
  type PolicyDocument,
  type PolicyScope,
  type PolicyStatement,
  type StoreRole,
} from './policies.ts'
export { startNativeMinio, type NativeMinio, type NativeMinioOptions } from './native.ts'
