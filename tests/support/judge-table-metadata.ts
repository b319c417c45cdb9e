/**
 * Iceberg's Java parser over the metadata that keep-table-metadata.ts kept: what it refuses, Spark, Trino and Flink
 * cannot load either.
 */
import { join } from 'node:path'
import { icebergJava, repositoryRoot, runCommand } from './services/index.ts'

const judge = join(repositoryRoot, 'tests', 'interop', 'JudgeTableMetadata.java')

export interface MetadataVerdict {
  readonly tables: number
  /** A line each: the test, the metadata's location, Java's reason. */
  readonly refused: readonly string[]
}

/** Tests whose tables are meant to be refused, by the beginning of Java's reason; each with why it must be so. */
const meantToBeRefused: readonly { readonly test: string; readonly reason: RegExp }[] = []

export async function judgeTableMetadata(folder: string): Promise<MetadataVerdict> {
  const output = await runCommand('java', ['-Xmx1g', '-cp', await icebergJava(), judge, folder])
  const [, tables] = /^(\d+) tables, \d+ refused$/m.exec(output) ?? []
  if (tables === undefined) throw new Error(`the judge of table metadata said: ${output}`)
  const refused = output
    .split('\n')
    .filter((line) => line.startsWith('REFUSED\t'))
    .map((line) => line.split('\t').slice(1))
    .filter(
      ([test = '', , reason = '']) =>
        !meantToBeRefused.some((each) => each.test === test && each.reason.test(reason)),
    )
    .map((parts) => parts.join(' '))
  return { tables: Number(tables), refused }
}
