/** The only reader of `process.env` (tests/architecture checks it). */
export function environment(name: string): string | undefined {
  return process.env[name]
}

/** The whole environment, for settings that scan it by prefix. */
export function environmentEntries(): Readonly<Record<string, string | undefined>> {
  return process.env
}

/** Sets a variable for a library that takes this setting from nowhere else, unless the user has set it. */
export function setEnvironmentDefault(name: string, value: string): void {
  process.env[name] ??= value
}
