/** 1234567 as 1,234,567. */
export function grouped(value: number | bigint | string): string {
  const text = typeof value === 'number' ? Math.round(value).toString() : value.toString()
  return text.replace(/\B(?=(\d{3})+$)/g, ',')
}
