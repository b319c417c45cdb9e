/** app/settings: tidewater.yaml, and where settings files are found. An index of its own, so that code that only reads settings loads no engine. */
export { type LakeSettings, parseLakeSettings } from './lake-settings.ts'
export {
  type SettingsSources,
  findLakeFile,
  loadLakeSettings,
  loadStreamSettings,
  withEnvFile,
} from './load.ts'
