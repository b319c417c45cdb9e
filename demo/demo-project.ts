/**
 * The demo's project directory: the two YAML files that any user writes, a log and a warehouse.
 * Only a directory that an earlier demo made is ever removed.
 */
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { NotFoundError, ValidationError } from '../common/index.ts'
import { demoModels } from './demo-models.ts'

export const demoTopic = 'flights'
export const airportsTopic = 'airports'
export const demoPartitions = 4

export interface DemoProject {
  readonly directory: string
  readonly lakeFile: string
  readonly streamFile: string
  readonly airportsStreamFile: string
  readonly logDirectory: string
  /** Spool files of the sink; a killed one leaves its own behind. */
  readonly workDirectory: string
  /** The answers of the last act, one line for each, so that they can be checked. */
  readonly answersFile: string
}

const markerFile = '.tide-demo'
/** All flights take at least this many commits, so that the sink can be killed between two. */
const batchesMin = 20

export function demoProject(directory: string): DemoProject {
  return {
    directory,
    lakeFile: join(directory, 'tidewater.yaml'),
    streamFile: join(directory, 'streams', 'flights.yaml'),
    airportsStreamFile: join(directory, 'streams', 'airports.yaml'),
    logDirectory: join(directory, 'log'),
    workDirectory: join(directory, 'spool'),
    answersFile: join(directory, 'answers.jsonl'),
  }
}

/** Removes the directory of an earlier demo and creates it again. Throws ValidationError when it holds other files. */
export async function createDemoProject(directory: string, records: number): Promise<DemoProject> {
  const project = demoProject(directory)
  await removeDemoProject(project)
  const files = {
    [join(directory, markerFile)]: 'made by tide demo; the next demo removes it\n',
    [project.lakeFile]: lakeYaml,
    [project.streamFile]: streamYaml(Math.ceil(records / batchesMin)),
    [project.airportsStreamFile]: airportsStreamYaml,
    ...Object.fromEntries(
      Object.entries(demoModels).map(([file, text]) => [join(directory, file), text]),
    ),
  }
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  return project
}

export async function openDemoProject(directory: string): Promise<DemoProject> {
  try {
    await readFile(join(directory, markerFile))
  } catch (error) {
    throw new NotFoundError('the directory holds no demo: run it without --check first', {
      facts: { directory },
      cause: error,
    })
  }
  return demoProject(directory)
}

export async function removeDemoProject({ directory }: DemoProject): Promise<void> {
  const entries = await readdir(directory).catch(() => [])
  if (entries.length === 0) return
  try {
    await access(join(directory, markerFile))
  } catch (error) {
    throw new ValidationError(
      'the directory for the demo holds files that are not of a demo: choose another with --dir',
      { facts: { directory }, cause: error },
    )
  }
  await rm(directory, { recursive: true, force: true })
}

const lakeYaml = `# Where tables live: a directory beside this file. s3://bucket/prefix works the same.
catalog:
  warehouse: ./warehouse
`

function streamYaml(recordsPerCommit: number): string {
  return `# The topic "${demoTopic}" of the log in this directory becomes the table demo.flights, exactly once.
name: flights
input:
  embedded:
    directory: ../log
    topics: [${demoTopic}]
    start_offset: earliest
schema:
  mode: json_infer
output:
  iceberg:
    table: demo.flights
    partition_by: ["month(ts)"]
    commit:
      interval: 2s
      max_records: ${recordsPerCommit}
`
}

const airportsStreamYaml = `# Every version of an airport, in the order of arrival.
name: airports
input:
  embedded:
    directory: ../log
    topics: [${airportsTopic}]
schema:
  mode: json_infer
metadata: none
output:
  iceberg:
    table: demo.airports
    commit: { interval: 2s }
`
