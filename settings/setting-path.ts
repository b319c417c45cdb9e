/** Where a setting stands in its document. */

export type SettingPath = readonly (string | number)[]

/** Unambiguous even though keys may hold dots (`s3.endpoint`). */
export function pathKey(path: SettingPath): string {
  return JSON.stringify(path)
}

/** The path as people write it: `schema.fields[0].type`. */
export function formatPath(path: SettingPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}
