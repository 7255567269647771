// Topics of a test's Kafka: written and read whole, as another application would.
import type { Admin, Kafka as Client, IHeaders, Message } from 'kafkajs'
import { registerCompression } from '../../src/kafka/compression.ts'
import { ConfigResourceTypes, Kafka, logLevel, Partitioners } from '../../src/kafka/kafkajs.ts'
import { until } from './wait.ts'

/** A message as it was read. */
export type ReadMessage = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly keyBytes: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

export function clientOf(brokers: readonly string[]): Client {
  registerCompression()
  return new Kafka({ clientId: 'test', brokers: [...brokers], logLevel: logLevel.NOTHING })
}

export async function withAdmin<T>(
  brokers: readonly string[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = clientOf(brokers).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

export function createTopic(
  brokers: readonly string[],
  topic: string,
  { partitions = 1, config = {} }: { partitions?: number; config?: Record<string, string> } = {},
): Promise<boolean> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
  return withAdmin(brokers, async (admin) => {
    const made = await admin.createTopics({
      waitForLeaders: false, // kafkajs fails where the broker has not heard of the topic yet
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
    })
    await until(`${topic} is there`, async () => (await admin.listTopics()).includes(topic))
    return made
  })
}

/** Deletes a topic, and waits until it is gone. */
export async function deleteTopic(brokers: readonly string[], topic: string): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    await until(`${topic} is gone`, async () => !(await admin.listTopics()).includes(topic))
  })
}

/** Changes settings of a topic. */
export async function setTopic(
  brokers: readonly string[],
  topic: string,
  config: Readonly<Record<string, string>>,
): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
  await withAdmin(brokers, (admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
    }),
  )
}

const sentAtOnce = 2_000

/** Sends messages in order. */
export async function produce(
  brokers: readonly string[],
  topic: string,
  messages: readonly Message[],
): Promise<void> {
  const producer = clientOf(brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
    // what is sent again after a broker's restart is not in the topic twice
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  try {
    for (let from = 0; from < messages.length; from += sentAtOnce)
      await producer.send({ topic, messages: messages.slice(from, from + sentAtOnce) })
  } finally {
    await producer.disconnect()
  }
}

/** Events (JSON lines) as messages keyed by their user. */
export function keyedByUser(lines: readonly string[]): Message[] {
  return lines.map((line) => ({ key: (JSON.parse(line) as { user_id: string }).user_id, value: line }))
}

/** Offset behind the last record of each partition. */
export function endsOf(brokers: readonly string[], topic: string): Promise<Map<number, number>> {
  return withAdmin(
    brokers,
    async (admin) =>
      new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)])),
  )
}

let readers = 0

/** Everything that readers of committed records see of a topic now, each partition in order. */
export async function readTopic(brokers: readonly string[], topic: string): Promise<ReadMessage[]> {
  const ends = await endsOf(brokers, topic)
  const consumer = clientOf(brokers).consumer({
    groupId: `reader-${process.pid}-${readers++}`,
    maxWaitTimeInMs: 100,
  })
  const reached = new Map<number, number>()
  // by place: a consumer that joins its group anew begins anew, and what it reads again is not there twice
  const messages = new Map<string, ReadMessage>()
  consumer.on(consumer.events.START_BATCH_PROCESS, ({ payload }) => {
    reached.set(payload.partition, Number(payload.lastOffset) + 1)
  })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        for (const { offset, timestamp, key, value, headers } of batch.messages)
          messages.set(`${batch.partition}/${offset}`, {
            topic,
            partition: batch.partition,
            offset: Number(offset),
            timestamp: Number(timestamp),
            key: key?.toString('utf8') ?? null,
            keyBytes: key,
            value,
            headers: textsOf(headers),
          })
      },
    })
    await until(`all of ${topic} is read`, () =>
      [...ends].every(([partition, end]) => end === 0 || (reached.get(partition) ?? 0) >= end),
    )
  } finally {
    await consumer.disconnect()
  }
  return [...messages.values()].sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

function textsOf(headers: IHeaders | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))
}
