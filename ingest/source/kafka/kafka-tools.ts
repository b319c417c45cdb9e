/** What the parts of one Kafka source share. */
import type { Clock, Logger } from '../../../common/index.ts'
import type { Wakeup } from '../wakeup.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

export interface KafkaTools {
  readonly cluster: KafkaCluster
  readonly clock: Clock
  readonly logger: Logger
  /** Ends the wait of a poll. */
  readonly wakeup: Wakeup
}
