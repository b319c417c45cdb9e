/**
 * Durations and sizes as people write them (`10s`, `1h30m`, `128MB`). A bare number is refused,
 * because whether it means milliseconds, seconds or bytes is what every reader guesses differently.
 */
import { SettingsError } from './errors.ts'

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Decimal units as in DuckDB and data sheets; `MiB` and its kin are the binary ones. */
const sizeUnits: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

const bareNumber = /^[+-]?[\d_.]+$/

/** Milliseconds of a duration such as `500ms`, `10s`, `1h30m`. */
export function parseDuration(text: string): number {
  const word = text.trim()
  if (bareNumber.test(word)) {
    throw new SettingsError(
      `a bare number has no unit: write ${word}s for seconds or ${word}ms for milliseconds`,
    )
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(word)) {
    throw new SettingsError(
      `not a duration: "${text}" (write 500ms, 10s, 5m, 1h30m or 7d; units ms, s, m, h, d)`,
    )
  }
  let ms = 0
  for (const [, amount = '', unit = ''] of word.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * (durationUnits[unit] ?? 0)
  }
  return exact(Math.round(ms), text)
}

/** Bytes of a size such as `64KB`, `128MB`, `1.5GiB`. */
export function parseSize(text: string): number {
  const word = text.trim()
  if (bareNumber.test(word)) {
    throw new SettingsError(
      `a bare number has no unit: write ${word}B for bytes or ${word}MB for megabytes`,
    )
  }
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)$/i.exec(word)
  const factor = sizeUnits[(match?.[2] ?? '').toLowerCase()]
  if (match === null || factor === undefined) {
    throw new SettingsError(
      `not a size: "${text}" (write 64KB, 128MB or 1GB; also KiB, MiB, GiB for powers of two)`,
    )
  }
  return exact(Math.round(Number(match[1]) * factor), text)
}

/** The shortest word for a duration, for progress lines and messages. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${trimmed(ms / 1_000)}s`
  const totalSeconds = Math.round(ms / 1_000)
  const parts = [
    [Math.floor(totalSeconds / 86_400), 'd'],
    [Math.floor(totalSeconds / 3_600) % 24, 'h'],
    [Math.floor(totalSeconds / 60) % 60, 'm'],
    [totalSeconds % 60, 's'],
  ] as const
  const shown = parts.filter(([amount]) => amount > 0).slice(0, 2)
  return shown.map(([amount, unit]) => `${amount}${unit}`).join('')
}

/** The shortest word for a size, in decimal units. */
export function formatSize(bytes: number): string {
  const steps = [
    [1e12, 'TB'],
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'KB'],
  ] as const
  const step = steps.find(([factor]) => bytes >= factor)
  return step === undefined ? `${Math.round(bytes)}B` : `${trimmed(bytes / step[0])}${step[1]}`
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '')
}

function exact(value: number, text: string): number {
  if (!Number.isSafeInteger(value)) throw new SettingsError(`too large: "${text}"`)
  return value
}
