// OffsetFetch of version 7 for kafkajs, which goes up to 4: a group's offsets, or the error that a transaction which commits
// some of them has not ended (KIP-447). A coordinator takes in what a transaction committed some time after the transaction
// has ended for its producer, and a later producer of the same id may ask before: without the flag it gets the offsets
// before that transaction, and sends again what was sent.
import { FatalError } from '../errors.ts'
import { isRegisterGroup } from './names.ts'

type Asked = {
  readonly groupId: string
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number }[]
  }[]
}
type Offsets = {
  readonly throttleTime: number
  /** How long the client is to hold back, ms. */
  readonly clientSideThrottleTime: number
  readonly errorCode: number
  readonly responses: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly offset: string
      readonly metadata: string | null
      readonly errorCode: number
    }[]
  }[]
}
type Request = {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  readonly encode: () => Promise<Encoder>
}
type Response = {
  readonly decode: (bytes: Buffer) => Promise<Offsets>
  readonly parse: (offsets: Offsets) => Promise<Offsets>
}
type Made = { readonly request: Request; readonly response: Response }
/** What kafkajs has for each request: versions, and how each is asked and read. */
export type Definitions = {
  readonly versions: readonly string[]
  readonly protocol: (choice: { readonly version: number }) => (asked: Asked) => Made
}

type Encoder = {
  writeInt32(value: number): Encoder
  writeBoolean(value: boolean): Encoder
  writeUVarInt(value: number): Encoder
  writeUVarIntString(value: string): Encoder
  writeUVarIntArray(values: readonly Encoder[] | null): Encoder
}
type Decoder = {
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readUVarIntString(): string | null
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null
  readTaggedFields(): unknown
}
export type Coders = {
  readonly Encoder: new () => Encoder
  readonly Decoder: new (bytes: Buffer) => Decoder
}

const stableVersion = 7
/** The newest of kafkajs's own. */
const theirVersion = 4

/** kafkajs's definitions with version 7; registers are asked for by no other. */
export function withStableOffsets(theirs: Definitions, coders: Coders): Definitions {
  return {
    versions: [...theirs.versions, String(stableVersion)],
    protocol({ version }) {
      const made = theirs.protocol({ version: Math.min(version, theirVersion) })
      return (asked) => {
        const older = made(asked)
        if (version >= stableVersion) return stable(asked, { ...coders, older })
        if (isRegisterGroup(asked.groupId))
          throw new FatalError(
            `this Kafka does not tell which offsets are stable (OffsetFetch ${stableVersion}, Kafka 2.5 and later): with it nothing goes out exactly once. Use a newer one, or KINDRED_KAFKA_DELIVERY=at_least_once`,
          )
        return older
      }
    },
  }
}

function stable(
  { groupId, topics }: Asked,
  { Encoder, Decoder, older }: Coders & { readonly older: Made },
): Made {
  return {
    request: {
      ...older.request,
      apiVersion: stableVersion,
      encode: async () =>
        new Encoder()
          .writeUVarInt(0) // tagged fields: here of the header, further on each structure's
          .writeUVarIntString(groupId)
          .writeUVarIntArray(
            topics.length === 0 // all of the group's, as in kafkajs's own
              ? null
              : topics.map(({ topic, partitions }) =>
                  new Encoder()
                    .writeUVarIntString(topic)
                    .writeUVarIntArray(partitions.map(({ partition }) => new Encoder().writeInt32(partition)))
                    .writeUVarInt(0),
                ),
          )
          .writeBoolean(true)
          .writeUVarInt(0),
    },
    response: { decode: async (bytes) => offsetsOf(new Decoder(bytes)), parse: older.response.parse },
  }
}

function offsetsOf(decoder: Decoder): Offsets {
  decoder.readTaggedFields()
  const clientSideThrottleTime = decoder.readInt32()
  const responses = decoder.readUVarIntArray((inTopic) => {
    const topic = inTopic.readUVarIntString()!
    const partitions = inTopic.readUVarIntArray((inPartition) => {
      const partition = inPartition.readInt32()
      const offset = inPartition.readInt64().toString()
      inPartition.readInt32() // epoch of the leader
      const metadata = inPartition.readUVarIntString()
      const errorCode = inPartition.readInt16()
      inPartition.readTaggedFields()
      return { partition, offset, metadata, errorCode }
    })
    inTopic.readTaggedFields()
    return { topic, partitions: partitions ?? [] }
  })
  const errorCode = decoder.readInt16()
  return { throttleTime: 0, clientSideThrottleTime, responses: responses ?? [], errorCode }
}
