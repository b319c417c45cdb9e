/** Asks the cluster for what kafkajs leaves out of its errors about groups. */
import { type LakeError, ValidationError, errorMessage } from '../../../common/index.ts'
import { createKafkajsClient } from './kafka-connection.ts'
import { kafkajsCauseOf } from './kafka-errors.ts'
import type { KafkaTools } from './kafka-tools.ts'
import { protocolCodeError } from './protocol-faults.ts'
import { assignerName } from './topic-assigner.ts'

/** The error itself where nothing is to be added. */
export async function explainGroupError(
  error: Error,
  group: string,
  tools: KafkaTools,
): Promise<Error> {
  switch (kafkajsCauseOf(error)) {
    case 'KafkaJSGroupCoordinatorNotFound': {
      const code = await tools.cluster.coordinatorCode(group)
      if (code === 0) return error
      return protocolCodeError(code, tools.cluster.call({ group, right: 'READ' }))
    }
    case 'INCONSISTENT_GROUP_PROTOCOL':
      return assignorError(error, group, await describeGroup(group, tools))
    default:
      return error
  }
}

interface GroupInUse {
  readonly protocol: string
  readonly clients: readonly string[]
}

function assignorError(error: Error, group: string, members: GroupInUse | undefined): LakeError {
  const theirs = members?.protocol ?? ''
  const named = theirs === '' ? 'another partition assignor' : `the partition assignor ${theirs}`
  return new ValidationError(
    `consumer group ${group} is in use with ${named}, and ours is ${assignerName}: give this stream a consumer_group of its own, or end the other members`,
    {
      facts: {
        group,
        ours: assignerName,
        theirs: members?.protocol,
        members: members?.clients.join(','),
      },
      cause: error.cause,
    },
  )
}

/** Undefined when we may not see it, or it is gone. */
async function describeGroup(
  group: string,
  { cluster, logger }: KafkaTools,
): Promise<GroupInUse | undefined> {
  const admin = createKafkajsClient(cluster.call({}).connection, logger, { retries: 1 }).admin()
  try {
    await admin.connect()
    const [described] = (await admin.describeGroups([group])).groups
    if (described === undefined) return undefined
    const clients = described.members.map(({ clientId, clientHost }) => `${clientId}${clientHost}`)
    return { protocol: described.protocol, clients }
  } catch (error) {
    logger.debug('kafka.group-not-described', { group, error: errorMessage(error) })
    return undefined
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
