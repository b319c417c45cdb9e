/** Deleting files that nothing needs any more, so that the caller can name what stays. */
import { errorMessage, ValidationError } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'

/** A file that is, or may be, still there. */
export interface FileLeft {
  readonly location: string
  readonly reason: string
}

export interface DeletedFiles {
  readonly left: readonly FileLeft[]
  /** What the store failed with; undefined: all was tried. */
  readonly failure?: unknown
}

const deletesPerCall = 500

/**
 * Deletes in the order given. A name that the store refuses is passed over; after a failure of the store
 * nothing further is tried, so that what comes later still shows what was to be deleted.
 */
export async function deleteFiles(
  io: FileIO,
  locations: readonly string[],
  signal?: AbortSignal,
): Promise<DeletedFiles> {
  const left: FileLeft[] = []
  for (let start = 0; start < locations.length; start += deletesPerCall) {
    signal?.throwIfAborted()
    try {
      left.push(...(await deletePart(io, locations.slice(start, start + deletesPerCall))))
    } catch (failure) {
      const reason = errorMessage(failure)
      for (const location of locations.slice(start)) left.push({ location, reason })
      return { left, failure }
    }
  }
  return { left }
}

async function deletePart(io: FileIO, locations: readonly string[]): Promise<readonly FileLeft[]> {
  try {
    await io.delete(locations)
    return []
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error
    const [first] = locations
    if (locations.length === 1 && first !== undefined) {
      return [{ location: first, reason: errorMessage(error) }]
    }
  }
  const left: FileLeft[] = []
  for (const location of locations) left.push(...(await deletePart(io, [location])))
  return left
}

const namedMax = 10

/** `2 files are left: s3://b/x.parquet (why), s3://b/y.parquet (why)`, for people. */
export function describeLeft(files: readonly FileLeft[]): string {
  const named = files.slice(0, namedMax).map(({ location, reason }) => `${location} (${reason})`)
  const rest = files.length > namedMax ? `, and ${files.length - namedMax} more` : ''
  const count = files.length === 1 ? '1 file is left' : `${files.length} files are left`
  return `${count}: ${named.join(', ')}${rest}`
}
