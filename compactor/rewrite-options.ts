/**
 * The options of a rewrite of data files, under the keys of Iceberg's `rewrite_data_files`.
 *
 * Defaults are Iceberg's except two: the target of 128 MB (streamed tables), and groups of at most
 * 5 GB, because the inputs of a group lie on this machine's disk while they are rewritten.
 */
import { statedProperty, tableProperties } from '../catalog/table/index.ts'
import { ValidationError, didYouMean, errorMessage, parseSize } from '../common/index.ts'

export type RewriteJobOrder = 'none' | 'bytes-asc' | 'bytes-desc' | 'files-asc' | 'files-desc'

export interface RewriteOptions {
  readonly targetFileSizeBytes: bigint
  /** Smaller files are rewritten. */
  readonly minFileSizeBytes: bigint
  /** Larger files are split. */
  readonly maxFileSizeBytes: bigint
  /** This many files of one partition are rewritten, whatever their size. */
  readonly minInputFiles: number
  /** A file with this many delete files is rewritten; undefined: their number is no reason. */
  readonly deleteFileThreshold: number | undefined
  /** A file that has lost this share of its rows is rewritten. */
  readonly deleteRatioThreshold: number
  /** Rewrites every file, whatever its size and deletes. */
  readonly rewriteAll: boolean
  readonly maxFileGroupSizeBytes: bigint
  readonly maxFilesToRewrite: number | undefined
  /** Groups are committed as they are done, in at most `partialProgressMaxCommits` commits; otherwise all at once. */
  readonly partialProgressEnabled: boolean
  readonly partialProgressMaxCommits: number
  /** `none`: the partition whose last write is the longest ago comes first. */
  readonly rewriteJobOrder: RewriteJobOrder
  /**
   * A file is rewritten only together with at least as many bytes of smaller ones, so that a byte is
   * rewritten about once for each doubling of its file. For maintenance that runs all the time.
   */
  readonly boundsAmplification: boolean
}

const jobOrders: readonly RewriteJobOrder[] = [
  'none',
  'bytes-asc',
  'bytes-desc',
  'files-asc',
  'files-desc',
]

/** The keys, as users write them. */
export const rewriteOptionKeys = [
  'target-file-size-bytes',
  'min-file-size-bytes',
  'max-file-size-bytes',
  'min-input-files',
  'delete-file-threshold',
  'delete-ratio-threshold',
  'rewrite-all',
  'max-file-group-size-bytes',
  'max-files-to-rewrite',
  'partial-progress.enabled',
  'partial-progress.max-commits',
  'rewrite-job-order',
] as const

type OptionKey = (typeof rewriteOptionKeys)[number]

const targetDefault = 134_217_728n
const groupDefault = 5_368_709_120n

/** `properties` are the table's, `given` the user's `key=value` pairs. Throws ValidationError. */
export function rewriteOptions(
  properties: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>> = {},
): RewriteOptions {
  for (const key of Object.keys(given)) {
    if (rewriteOptionKeys.some((existing) => existing === key)) continue
    const hint = didYouMean(key, rewriteOptionKeys)
    throw new ValidationError(
      `unknown option of rewrite-data-files${hint}; the options are ${rewriteOptionKeys.join(', ')}`,
      { facts: { option: key } },
    )
  }
  const text = (key: OptionKey): string | undefined => given[key]
  const ofTable = statedProperty(properties, tableProperties.targetFileSizeBytes)
  const target =
    bytesOf('target-file-size-bytes', text('target-file-size-bytes')) ??
    (ofTable === undefined ? targetDefault : BigInt(ofTable))
  const options: RewriteOptions = {
    targetFileSizeBytes: target,
    minFileSizeBytes:
      bytesOf('min-file-size-bytes', text('min-file-size-bytes')) ?? (target * 75n) / 100n,
    maxFileSizeBytes:
      bytesOf('max-file-size-bytes', text('max-file-size-bytes')) ?? (target * 180n) / 100n,
    minInputFiles: countOf('min-input-files', text('min-input-files')) ?? 5,
    deleteFileThreshold: countOf('delete-file-threshold', text('delete-file-threshold')),
    deleteRatioThreshold: ratioOf('delete-ratio-threshold', text('delete-ratio-threshold')) ?? 0.3,
    rewriteAll: flagOf('rewrite-all', text('rewrite-all')) ?? false,
    maxFileGroupSizeBytes:
      bytesOf('max-file-group-size-bytes', text('max-file-group-size-bytes')) ?? groupDefault,
    maxFilesToRewrite: countOf('max-files-to-rewrite', text('max-files-to-rewrite')),
    partialProgressEnabled:
      flagOf('partial-progress.enabled', text('partial-progress.enabled')) ?? false,
    partialProgressMaxCommits:
      countOf('partial-progress.max-commits', text('partial-progress.max-commits')) ?? 10,
    rewriteJobOrder: jobOrderOf(text('rewrite-job-order')),
    boundsAmplification: false,
  }
  return checked(options)
}

/** The size at which another file begins; undefined when one file, not far above the target, takes all. */
export function fileSizeBytesTarget(
  sizeBytes: bigint,
  { maxFileSizeBytes, targetFileSizeBytes }: RewriteOptions,
): bigint | undefined {
  const most = targetFileSizeBytes + (maxFileSizeBytes - targetFileSizeBytes) / 2n
  return sizeBytes <= most ? undefined : targetFileSizeBytes
}

function checked(options: RewriteOptions): RewriteOptions {
  const { minFileSizeBytes: min, targetFileSizeBytes: target, maxFileSizeBytes: max } = options
  if (min < target && target < max) return options
  throw new ValidationError('sizes must rise: min-file-size-bytes < target < max-file-size-bytes', {
    facts: { min, target, max },
  })
}

/** A whole number of bytes as Iceberg writes it, or a size such as `64MB`. */
function bytesOf(key: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,18}$/.test(text)) return BigInt(text)
  try {
    return BigInt(parseSize(text))
  } catch (error) {
    throw wrong(key, text, `a number of bytes or a size such as 128MB (${errorMessage(error)})`)
  }
}

function countOf(key: OptionKey, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text)) throw wrong(key, text, 'a whole number from 1')
  return Number(text)
}

function ratioOf(key: OptionKey, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ratio = Number(text)
  if (!/^\d*\.?\d+$/.test(text) || ratio <= 0 || ratio > 1) {
    throw wrong(key, text, 'a number above 0 and at most 1')
  }
  return ratio
}

function flagOf(key: OptionKey, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') throw wrong(key, text, 'true or false')
  return text === 'true'
}

function jobOrderOf(text = 'none'): RewriteJobOrder {
  const jobOrder = jobOrders.find((order) => order === text)
  if (jobOrder === undefined) throw wrong('rewrite-job-order', text, jobOrders.join(', '))
  return jobOrder
}

function wrong(key: string, value: string, expected: string): ValidationError {
  return new ValidationError(`${key} must be ${expected}`, { facts: { value } })
}
