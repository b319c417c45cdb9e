/** Pages of a sorted listing: a token names the last item seen, so the server keeps no state. */
import { ValidationError } from '../common/index.ts'

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextPageToken: string | undefined
}

const pageSizeDefault = 1000
const pageSizeMax = 10_000

/** Without a token and a size the whole listing is one page, as clients without paging expect. */
export function pageOf<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  query: { readonly pageToken?: string; readonly pageSize?: string },
): Page<T> {
  const { pageToken, pageSize } = query
  if (pageToken === undefined && pageSize === undefined) return { items, nextPageToken: undefined }
  if (pageSize !== undefined && !/^[1-9]\d{0,8}$/.test(pageSize)) {
    throw new ValidationError('the page size must be a positive number', { facts: { pageSize } })
  }
  const size = Math.min(Number(pageSize ?? pageSizeDefault), pageSizeMax)
  const after = Buffer.from(pageToken ?? '', 'base64url').toString('utf8')
  const start = after === '' ? 0 : items.findIndex((item) => nameOf(item) > after)
  const rest = start < 0 ? [] : items.slice(start)
  const page = rest.slice(0, size)
  const last = page.at(-1)
  const isLast = last === undefined || rest.length <= size
  return {
    items: page,
    nextPageToken: isLast ? undefined : Buffer.from(nameOf(last), 'utf8').toString('base64url'),
  }
}
