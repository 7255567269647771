// The group's assigner: one member owns all partitions of all topics, the one that holds them already if there is one.
// What the data directory knows is one graph; two members that split the partitions would split the graph.
import type { PartitionAssigner } from 'kafkajs'
import { AssignerProtocol } from '../kafka/kafkajs.ts'

const name = 'kindred-owner'
const version = 1

/** What a member says of itself when it joins. */
export type Claim = { readonly store: string; readonly held: boolean }

/** `claim` is asked at every join. */
export function ownerAssigner(claim: () => Claim): PartitionAssigner {
  return ({ cluster }) => ({
    name,
    version,
    protocol({ topics }) {
      const userData = Buffer.from(JSON.stringify(claim()))
      return { name, metadata: AssignerProtocol.MemberMetadata.encode({ version, topics, userData }) }
    },
    async assign({ members, topics }) {
      const owner = ownerOf(
        members.map(({ memberId, memberMetadata }) => ({ memberId, claim: claimOf(memberMetadata) })),
      )
      const all = Object.fromEntries(
        topics.map((topic) => [
          topic,
          cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId),
        ]),
      )
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version,
          assignment: memberId === owner ? all : {},
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })
}

/** Who holds the partitions keeps them; among others the first by member id. */
export function ownerOf(
  members: readonly { readonly memberId: string; readonly claim: Claim | undefined }[],
): string {
  const ordered = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  return (ordered.find(({ claim }) => claim?.held) ?? ordered[0]!).memberId
}

function claimOf(metadata: Buffer): Claim | undefined {
  try {
    const decoded = AssignerProtocol.MemberMetadata.decode(metadata)
    return decoded === null ? undefined : (JSON.parse(decoded.userData.toString('utf8')) as Claim)
  } catch {
    return undefined // a member of another make: it owns nothing of ours
  }
}
