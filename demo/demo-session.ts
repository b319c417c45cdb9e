/** The parts of one demo: project, lake, log and engine, opened together and closed in reverse order. */
import {
  loadLakeSettings,
  loadStreamSettings,
  type SettingsSources,
} from '../app/settings/index.ts'
import type { Clock } from '../common/index.ts'
import { EmbeddedLog } from '../ingest/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import { type Database, openDatabase } from '../sql/index.ts'
import { type Lake, openLake } from '../app/index.ts'
import { type DemoProject, demoPartitions, demoTopic } from './demo-project.ts'
import type { LogRange } from './table-accounts.ts'

export interface DemoSession {
  readonly project: DemoProject
  readonly lake: Lake
  readonly log: EmbeddedLog
  readonly database: Database
  readonly clock: Clock
  close(): Promise<void>
}

export async function openDemoSession(project: DemoProject, clock: Clock): Promise<DemoSession> {
  const { settings } = await loadLakeSettings(project.lakeFile, settingsSources(project))
  const lake = await openLake(settings, { clock })
  const log = await EmbeddedLog.open(project.logDirectory, { clock })
  const database = await openDatabase()
  return {
    project,
    lake,
    log,
    database,
    clock,
    close: async () => {
      database.close()
      await log.close()
      await lake.close()
    },
  }
}

/** The settings of one of the project's streams, from its file. */
export async function demoStream({ project }: DemoSession, file: string): Promise<StreamSettings> {
  return (await loadStreamSettings(file, settingsSources(project))).settings
}

export async function logRanges({ log }: DemoSession): Promise<readonly LogRange[]> {
  const ranges: LogRange[] = []
  for (let partition = 0; partition < demoPartitions; partition++) {
    const bounds = await log.offsetBounds({ topic: demoTopic, partition })
    ranges.push({ partition, first: bounds.earliest, next: bounds.latest })
  }
  return ranges
}

/** Only the project's files, without settings from the user's environment. */
function settingsSources({ directory }: DemoProject): SettingsSources {
  return { environment: {}, overrides: [], directory }
}
