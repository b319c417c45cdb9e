/** io: objects in S3, a local directory or memory behind one interface, `FileIO`. */
export type { ByteRange } from './byte-range.ts'
export type { FileIO, ObjectInfo, StoredObject, WriteCondition, WriteResult } from './file-io.ts'
export { LocalFileIO } from './local/local-file-io.ts'
export { locationScheme, parseLocation } from './location.ts'
export { MemoryFileIO } from './memory/memory-file-io.ts'
export { openBucketAdmin, openFileIO, openS3FileIO } from './open/open-file-io.ts'
export type { BucketAdmin } from './s3/s3-bucket-admin.ts'
export type { S3Options } from './s3/s3-options.ts'
