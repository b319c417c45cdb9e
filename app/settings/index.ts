/** app/settings: tidewater.yaml, and where settings files are found. A door of its own, so that what only reads settings loads no engine. */
export { type LakeSettings, parseLakeSettings } from './lake-settings.ts'
export {
  type SettingsSources,
  findLakeFile,
  loadLakeSettings,
  loadStreamSettings,
  withEnvFile,
} from './load.ts'
