/**
 * The assigner that kafkajs calls in the group's leader. Its own gives topics also to members that do not read
 * them, which ignore them, so that no member reads those partitions.
 */
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs'
import { assignTopics } from './assign-topics.ts'
import {
  formatMemberData,
  type GroupMember,
  type MemberData,
  parseMemberData,
} from './group-member.ts'

/** Members of one group have to agree on an assigner by its name. */
export const assignerName = 'TidewaterAssigner'
const version = 0

export function topicAssigner(member: Omit<MemberData, 'partitions'>): PartitionAssigner {
  return ({ cluster }) => {
    const partitionsOf = (topic: string): number => {
      try {
        return cluster.findTopicPartitionMetadata(topic).length
      } catch {
        // No metadata yet: the members that have some say it.
        return 0
      }
    }
    return {
      name: assignerName,
      version,
      protocol: ({ topics }) => {
        const partitions = new Map(topics.map((topic) => [topic, partitionsOf(topic)]))
        const userData = formatMemberData({ ...member, partitions })
        return {
          name: assignerName,
          metadata: AssignerProtocol.MemberMetadata.encode({ version, topics, userData }),
        }
      },
      assign: async ({ members, topics }) => {
        const own = new Set(topics)
        const assigned = assignTopics(members.map(decodeMember), (topic) =>
          own.has(topic) ? partitionsOf(topic) : 0,
        )
        return [...assigned].map(([memberId, assignment]) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version,
            assignment: { ...assignment },
            userData: Buffer.alloc(0),
          }),
        }))
      },
    }
  }
}

export function decodeMember({
  memberId,
  memberMetadata,
}: {
  readonly memberId: string
  readonly memberMetadata: Buffer
}): GroupMember {
  const decoded =
    memberMetadata.length === 0 ? null : AssignerProtocol.MemberMetadata.decode(memberMetadata)
  const { topics = [], userData = Buffer.alloc(0) } = decoded ?? {}
  return { memberId, topics, data: parseMemberData(userData) }
}
