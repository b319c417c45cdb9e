/** The result of each node of a run, and the files in `target/` that hold them in dbt's formats. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatIdentifier } from '../../catalog/format/index.ts'
import {
  CorruptDataError,
  isJsonObject,
  type Json,
  NotFoundError,
  parseJson,
  stringifyJson,
} from '../../common/index.ts'
import { formatSpan, type Span } from '../intervals/interval.ts'
import type { Project } from '../project/model.ts'
import type { DataTestNode } from './data-tests.ts'
import { uniquelyKeyed } from './uniquely-keyed.ts'

export type NodeStatus = 'success' | 'error' | 'skipped' | 'pass' | 'fail'

export interface NodeResult {
  readonly kind: 'model' | 'snapshot' | 'test'
  readonly name: string
  readonly status: NodeStatus
  readonly message: string
  readonly rowsAffected: number | undefined
  /** The number of rows of a test's query. */
  readonly failures: number | undefined
  readonly computed: readonly Span[]
  readonly snapshotId: bigint | undefined
  readonly startedMs: number
  readonly elapsedMs: number
}

export interface RunResults {
  readonly runId: string
  readonly startedMs: number
  readonly elapsedMs: number
  readonly results: readonly NodeResult[]
  readonly ok: boolean
}

/** The flags that a retry repeats. */
export type StoredArguments = Readonly<Record<string, Json>>

export function uniqueId({ kind, name }: Pick<NodeResult, 'kind' | 'name'>): string {
  return `${kind}.${name}`
}

export async function writeRunResults(
  directory: string,
  run: RunResults,
  args: StoredArguments,
): Promise<void> {
  await writeTarget(directory, 'run_results.json', {
    metadata: { generated_at: iso(run.startedMs + run.elapsedMs), invocation_id: run.runId },
    results: run.results.map((result) => ({
      unique_id: uniqueId(result),
      status: result.status,
      message: result.message,
      failures: result.failures ?? null,
      execution_time: result.elapsedMs / 1_000,
      timing: [
        {
          name: 'execute',
          started_at: iso(result.startedMs),
          completed_at: iso(result.startedMs + result.elapsedMs),
        },
      ],
      adapter_response: {
        rows_affected: result.rowsAffected ?? null,
        // As text, because most JSON readers round 64-bit numbers.
        snapshot_id: result.snapshotId?.toString() ?? null,
        intervals: result.computed.map(formatSpan),
      },
    })),
    elapsed_time: run.elapsedMs / 1_000,
    args,
  })
}

export interface StoredRun {
  readonly args: StoredArguments
  /** Unique ids of the nodes that failed and of those that were not run because of it. */
  readonly failed: readonly string[]
}

/** The last run as `tide retry` needs it. Throws NotFoundError when there was none. */
export async function readRunResults(directory: string): Promise<StoredRun> {
  const file = join(directory, 'target', 'run_results.json')
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new NotFoundError('there is no run to retry: target/run_results.json does not exist')
  })
  const json = parseJson(text, file)
  const { args = {}, results = [] } = isJsonObject(json) ? json : {}
  if (!isJsonObject(args) || !Array.isArray(results)) {
    throw new CorruptDataError('the results of the last run are not readable', { facts: { file } })
  }
  const failed = (results as readonly Json[]).flatMap((result): string[] => {
    const { unique_id: id, status, message } = isJsonObject(result) ? result : {}
    const wasCut = status === 'skipped' && String(message).startsWith(cutMessage)
    return status === 'error' || status === 'fail' || wasCut ? [String(id)] : []
  })
  return { args, failed }
}

/** The first words of the message of a node that was not run because another one failed. */
export const cutMessage = 'not run:'

export async function writeProjectManifest(
  project: Project,
  tests: readonly DataTestNode[],
  nowMs: number,
): Promise<void> {
  const models = project.models.map((model): [string, unknown] => [
    uniqueId(model),
    {
      unique_id: uniqueId(model),
      resource_type: model.kind,
      name: model.name,
      original_file_path: model.file,
      relation_name: formatIdentifier(model.table),
      checksum: { name: 'sha256', checksum: model.checksum },
      config: {
        materialized: model.config.materialized,
        tags: model.config.tags,
        cron: model.config.cron ?? null,
        event_time: model.config.eventTime ?? null,
        batch_size: model.config.intervals?.batchSize ?? null,
        lambda: model.config.intervals?.lambda ?? false,
        unique_key: model.config.snapshot?.uniqueKey ?? null,
      },
      description: model.config.description ?? '',
      depends_on: {
        nodes: [
          ...model.dependsOn.map((name) => {
            const upstream = project.models.find((each) => each.name === name)
            return uniqueId({ kind: upstream?.kind ?? 'model', name })
          }),
          ...model.sourceTables.map((table) => `source.${formatIdentifier(table)}`),
        ],
      },
      raw_code: model.template.text,
    },
  ])
  const testNodes = tests.map(({ name, dependsOn, column }): [string, unknown] => [
    `test.${name}`,
    {
      unique_id: `test.${name}`,
      resource_type: 'test',
      name,
      column_name: column ?? null,
      depends_on: { nodes: dependsOn.map((each) => uniqueId({ kind: 'model', name: each })) },
    },
  ])
  const nodes: unknown = Object.fromEntries(uniquelyKeyed([...models, ...testNodes]))
  await writeTarget(project.directory, 'manifest.json', {
    metadata: { generated_at: iso(nowMs) },
    nodes,
  })
}

async function writeTarget(directory: string, name: string, body: unknown): Promise<void> {
  await mkdir(join(directory, 'target'), { recursive: true })
  await writeFile(join(directory, 'target', name), `${stringifyJson(body, 2)}\n`)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
