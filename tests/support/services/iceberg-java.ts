/** Apache Iceberg's Java core, to judge what was written here as Spark, Trino and Flink would. */
import { installJars } from './jars.ts'

const icebergVersion = '1.12.0'

/** The class path of iceberg-core. */
export function icebergJava(): Promise<string> {
  return installJars({
    name: 'iceberg',
    version: icebergVersion,
    artifacts: [`org.apache.iceberg:iceberg-core:${icebergVersion}`, 'org.slf4j:slf4j-nop:2.0.17'],
  })
}
