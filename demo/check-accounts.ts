/** Compares the demo's accounts: from counted rows and offsets to checks. Pure. */
import type { DemoCheck } from './demo-reporter.ts'
import { grouped } from './grouped.ts'
import {
  type Content,
  isSameContent,
  type LogRange,
  type PartitionCount,
} from './table-accounts.ts'

export interface Accounts {
  readonly log: readonly LogRange[]
  /** The number of records that the producer made durable; undefined when an earlier demo is checked. */
  readonly produced: number | undefined
  readonly partitions: readonly PartitionCount[]
  readonly source: Content
  readonly table: Content
  /** `total-records` of the newest snapshot. */
  readonly recordsOfSnapshot: bigint
  readonly deadLetters: bigint
}

export function checkAccounts(accounts: Accounts): readonly DemoCheck[] {
  const { log, partitions, source, table } = accounts
  const records = sum(log.map(({ first, next }) => next - first))
  const rows = sum(partitions.map((one) => one.rows))
  const distinct = sum(partitions.map((one) => one.distinct))
  const inLog = sum(partitions.map((one) => one.inLog))
  const lost = records - distinct
  const duplicated = inLog - distinct
  const outside = rows - inLog
  const checks: DemoCheck[] = [
    {
      name: `lost ${grouped(lost)}`,
      passed: lost === 0n && records > 0n,
      detail: `${grouped(distinct)} of the log's ${grouped(records)} (partition, offset) are in the table`,
    },
    {
      name: `duplicated ${grouped(duplicated)}`,
      passed: duplicated === 0n,
      detail: `${grouped(inLog)} rows have ${grouped(distinct)} different (partition, offset)`,
    },
    {
      name: 'offsets',
      passed: outside === 0n,
      detail:
        outside === 0n
          ? rangesText(partitions)
          : `${grouped(outside)} rows are of no record in the log`,
    },
    {
      name: 'content',
      passed: isSameContent(source, table),
      detail: isSameContent(source, table)
        ? `every column as in the source file: delays ${grouped(table.delaySum)}, miles ${grouped(table.distanceSum)}, hash ${table.hashSum}`
        : `table ${contentText(table)}, source file ${contentText(source)}`,
    },
    {
      name: 'metadata',
      passed: accounts.recordsOfSnapshot === rows && accounts.deadLetters === 0n,
      detail: `the snapshot says ${grouped(accounts.recordsOfSnapshot)} records, the files hold ${grouped(rows)}; dead letters ${grouped(accounts.deadLetters)}`,
    },
  ]
  if (accounts.produced === undefined) return checks
  const produced: DemoCheck = {
    name: 'log',
    passed: BigInt(accounts.produced) === records,
    detail: `${grouped(accounts.produced)} produced, ${grouped(records)} in the log`,
  }
  return [...checks, produced]
}

function rangesText(partitions: readonly PartitionCount[]): string {
  return partitions
    .map(({ partition, first, last }) => `${partition}: ${grouped(first)}-${grouped(last)}`)
    .join('  ')
}

function contentText(content: Content): string {
  const { rows, delaySum, distanceSum, hashSum } = content
  return `${grouped(rows)} rows, delays ${grouped(delaySum)}, miles ${grouped(distanceSum)}, hash ${hashSum}`
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}
