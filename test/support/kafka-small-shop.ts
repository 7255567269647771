// A small shop on a test's Kafka: a data directory with two labelled users, and topics and a group of its own.
// Whoever buys first changes from unknown to inferred; who then buys more of the other kind changes primary persona.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Message } from 'kafkajs'
import { decodeChangeAvro } from '../../src/codec/change-avro.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { wireHeaderBytes } from '../../src/codec/wire-format.ts'
import type { Settings } from './command.ts'
import { json, lines, succeed, withDirectory } from './command.ts'
import { eventOf } from './events.ts'
import { kafkaSettings, readStore, untilConsumed } from './kafka-serve.ts'
import {
  createTopic,
  deleteTopic,
  endsOf,
  produce,
  type ReadMessage,
  readTopic,
  setTopic,
} from './kafka-topics.ts'
import { type Server, serve } from './server.ts'
import { ndjson } from './shop-files.ts'
import { until } from './wait.ts'

/** What the labelled users bought, by persona. */
export const goods = {
  Baker: ['flour', 'sugar', 'tin', 'whisk'],
  Gardener: ['spade', 'rake', 'hose', 'seeds'],
} as const

export type KafkaShop = {
  readonly brokers: readonly string[]
  readonly dir: string
  readonly data: string
  readonly topic: string
  readonly changesTopic: string
  readonly personasTopic: string
  readonly env: Settings
  serve(more?: Settings): Promise<Server>
  /** Runs `kindred …args --data …` to its end with 0; its stdout. */
  succeed(args: readonly string[], more?: Settings): Promise<string>
  json<T = Record<string, unknown>>(args: readonly string[], more?: Settings): Promise<T>
  lines<T = Record<string, unknown>>(args: readonly string[], more?: Settings): Promise<T[]>
  produce(messages: readonly Message[], topic?: string): Promise<void>
  /** `kindred topics create`: what is not there of its topics. */
  makeTopics(): Promise<void>
  /** Changes settings of a topic. */
  setTopic(topic: string, config: Record<string, string>): Promise<void>
  deleteTopic(topic: string): Promise<void>
  /** Everything in the topic is applied, and everything so far is with the sinks that keep a cursor. */
  consumed(topic?: string): Promise<void>
  read(topic: string): Promise<ReadMessage[]>
  /** Waits until the topic of changes has one caused by each of these events; all of it as read then. */
  changesOf(eventIds: readonly string[]): Promise<ReadMessage[]>
}

type ShopOptions = {
  /** Tells its topics and group from those of other cases. */
  readonly name: string
  readonly partitions?: number
  readonly config?: Record<string, string>
  readonly env?: Settings
  /** Make the topics of changes, answers and dead letters, as `topics create` does. */
  readonly outputs?: boolean
  /** Make the input topic. */
  readonly input?: boolean
}

/** Runs `work` with a shop; its directory is removed after. */
export function withShop(
  brokers: readonly string[],
  { name, partitions = 1, config = {}, env: more = {}, outputs = true, input = true }: ShopOptions,
  work: (shop: KafkaShop) => Promise<void>,
): Promise<void> {
  return withDirectory(async (dir) => {
    const topic = `orders-${name}`
    const env = kafkaSettings(brokers, {
      KINDRED_KAFKA_TOPICS: topic,
      KINDRED_KAFKA_GROUP: name,
      KINDRED_KAFKA_CHANGES_TOPIC: `${name}-changes`,
      KINDRED_KAFKA_PERSONAS_TOPIC: `${name}-personas`,
      ...more,
    })
    const servers: Server[] = []
    const shop = shopIn({ dir, brokers, topic, env, servers })
    if (input) await createTopic(brokers, topic, { partitions, config })
    await Promise.all([label(dir, shop.data), outputs ? shop.makeTopics() : undefined])
    try {
      await work(shop)
    } finally {
      await Promise.all(servers.map((server) => server.kill())) // those that a failure has left
    }
  })
}

function shopIn({
  dir,
  brokers,
  topic,
  env,
  servers,
}: {
  dir: string
  brokers: readonly string[]
  topic: string
  env: Settings
  servers: Server[]
}): KafkaShop {
  const data = join(dir, 'data')
  const inputOf = (more: Settings = {}) => ({ env: { ...env, ...more } })
  const withData = (args: readonly string[]) => [...args, '--data', data]
  const changesTopic = env.KINDRED_KAFKA_CHANGES_TOPIC!
  const read = (name: string) => readTopic(brokers, name)
  return {
    brokers,
    dir,
    data,
    topic,
    changesTopic,
    personasTopic: env.KINDRED_KAFKA_PERSONAS_TOPIC!,
    env,
    async serve(more) {
      const server = await serve(data, inputOf(more))
      servers.push(server)
      return server
    },
    succeed: (args, more) => succeed(withData(args), inputOf(more)),
    json: (args, more) => json(withData(args), inputOf(more)),
    lines: (args, more) => lines(withData(args), inputOf(more)),
    produce: (messages, to = topic) => produce(brokers, to, messages),
    async makeTopics() {
      await succeed(['topics', 'create', '--partitions', '2'], { env })
    },
    setTopic: (name, config) => setTopic(brokers, name, config),
    deleteTopic: (name) => deleteTopic(brokers, name),
    consumed: async (from = topic) => untilConsumed(data, from, await endsOf(brokers, from)),
    read,
    changesOf: (eventIds) =>
      until(`${changesTopic} has changes by ${eventIds.join()}`, async () => {
        const found = await read(changesTopic)
        const causes = new Set(found.map((message) => changeOf(message).cause.event_id))
        return eventIds.every((id) => causes.has(id)) && found
      }),
  }
}

/** The change event of a message, in JSON or in wire format. */
export function changeOf({ value }: ReadMessage): ChangeEvent {
  if (value![0] === 0) return decodeChangeAvro(value!.subarray(wireHeaderBytes))
  return JSON.parse(value!.toString('utf8')) as ChangeEvent
}

/** Two labelled users and what they bought, before anything comes from Kafka. */
async function label(dir: string, data: string): Promise<void> {
  const files = { events: join(dir, 'labelled.ndjson'), prototypes: join(dir, 'prototypes.ndjson') }
  const personas = Object.entries(goods)
  writeFileSync(
    files.events,
    ndjson(
      personas.flatMap(([persona, products]) =>
        products.map((product) => purchase(`a ${persona}`, product, `${persona}-${product}`)),
      ),
    ),
  )
  writeFileSync(
    files.prototypes,
    ndjson(personas.map(([persona]) => JSON.stringify({ user_id: `a ${persona}`, personas: [persona] }))),
  )
  await succeed(['replay', files.events, '--data', data, '--prototypes', files.prototypes])
}

/** One purchase as a line of JSON. */
export function purchase(user: string, product: string, eventId = `${user}-${product}`): string {
  return JSON.stringify(eventOf({ event_id: eventId, user_id: user, product_id: product }))
}

/** The same as a message, keyed by the user. */
export function bought(user: string, product: string, more: Partial<Message> = {}): Message {
  return { key: user, value: purchase(user, product), ...more }
}

/** User and product of every edge. */
export async function edgesIn(data: string): Promise<Set<string>> {
  return readStore(data, (store) => {
    const edges = new Set<string>()
    for (const user of store.users())
      for (const { product } of store.edgesOf(user))
        edges.add(`${store.user(user)!.userId} ${store.product(product)!.productId}`)
    return edges
  })
}
