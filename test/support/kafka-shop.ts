// A small shop on a test's Kafka: topics and a group of its own by name, so that cases share a broker; and what must hold
// when all is over.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Message } from 'kafkajs'
import { decodeAnswerAvro, decodeChangeAvro } from '../../src/codec/change-avro.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { fold, foldedExport } from './change-fold.ts'
import { type Outcome, type Settings, withDirectory } from './command.ts'
import { assertSound, exportsIn } from './exports.ts'
import { isReady, kafkaSettings, untilConsumed } from './kafka-serve.ts'
import { createTopic, endsOf, keyedByUser, produce, type ReadMessage, readTopic } from './kafka-topics.ts'
import { logged, type Server, serve } from './server.ts'
import { smallShop, writeShop } from './shop-files.ts'
import { until } from './wait.ts'

const shop = smallShop({ seed: 7, shoppers: 300 })
const partitions = 3

export type Place = {
  readonly name: string
  /** Where tests set up and look: no authentication. */
  readonly brokers: readonly string[]
  /** Where `serve` connects. */
  readonly settings: Settings
  readonly dir: string
  readonly data: string
  readonly orders: string
  readonly changes: string
  readonly personas: string
}

export async function withPlace<T>(
  name: string,
  { brokers, env = {} }: { brokers: readonly string[]; env?: Settings },
  work: (place: Place) => Promise<T>,
): Promise<T> {
  return withDirectory((dir) => {
    const topics = { orders: `${name}-orders`, changes: `${name}-changes`, personas: `${name}-personas` }
    const settings = kafkaSettings(brokers, {
      KINDRED_KAFKA_GROUP: name,
      KINDRED_KAFKA_TOPICS: topics.orders,
      KINDRED_KAFKA_CHANGES_TOPIC: topics.changes,
      KINDRED_KAFKA_PERSONAS_TOPIC: topics.personas,
      ...env,
    })
    return work({ name, brokers, settings, dir, data: join(dir, 'data'), ...topics })
  })
}

/** The topics that are consumed and sent to. */
export async function makeTopics({ brokers, orders, changes, personas }: Place): Promise<void> {
  await createTopic(brokers, orders, { partitions })
  for (const topic of [changes, personas]) await createTopic(brokers, topic, { partitions })
}

/** The shop's server, on `data` unless another is named; its prototypes are imported once. */
export function servePlace(
  { dir, data, settings }: Place,
  { env = {}, data: other = data }: { env?: Settings; data?: string } = {},
): Promise<Server> {
  const { prototypes } = writeShop(dir, { events: [], prototypes: shop.prototypes })
  return serve(other, { env: { ...settings, ...env }, args: ['--prototypes', prototypes] })
}

export const shopEvents: number = shop.events.length

/** The shop's events from `from` to `to`, as messages. */
export function shopMessages(from: number, to = shopEvents): Message[] {
  return keyedByUser(shop.events.slice(from, to))
}

/** The same as objects, for POST /v1/events. */
export function shopPosts(from: number, to: number): object[] {
  return shop.events.slice(from, to).map((line) => JSON.parse(line) as object)
}

export function order({ brokers, orders }: Place, messages: readonly Message[]): Promise<void> {
  return produce(brokers, orders, messages)
}

/** Everything is consumed, and the server is ready. */
export async function untilMended(place: Place, server: Server): Promise<void> {
  await until('the server is ready', () => isReady(server)).catch(saidBy(server))
  await untilConsumed(place.data, place.orders, await endsOf(place.brokers, place.orders)).catch(
    saidBy(server),
  )
}

/** /readyz says 503 with this in its detail. */
export async function untilNotReady(server: Server, why: RegExp): Promise<void> {
  let said = ''
  await until(`/readyz says ${why}`, async () => {
    const { status, body } = await server.get('/readyz')
    said = JSON.stringify(body)
    return status === 503 && why.test(said)
  }).catch((error: unknown) => {
    throw new Error(`/readyz says ${said}; the log:\n${server.stderr()}`, { cause: error })
  })
}

/** Warnings that it logged. */
export function warnings({ stderr }: { stderr: () => string }): string[] {
  return logged(stderr())
    .filter(({ level }) => Number(level) >= 40)
    .map(({ msg }) => String(msg))
}

/** Ends it as an operator would, and asserts that it ended well. */
export async function stopWell(server: Server): Promise<Outcome> {
  const outcome = await server.stop()
  assert.equal(outcome.code, 0, outcome.stderr)
  return outcome
}

/** After the end: the state is sound, and change events have no repeat and no hole, and are the exported answers. */
export async function assertExact(place: Place): Promise<ReadMessage[]> {
  await assertSound(place.data)
  const messages = await readTopic(place.brokers, place.changes)
  const ids = new Set<string>()
  const changes = messages.map(({ key, value }) => {
    const change = isAvro(value!) ? decodeChangeAvro(value!.subarray(5)) : jsonOf<ChangeEvent>(value!)
    assert.ok(!ids.has(change.event_id), `${change.event_id} comes twice`)
    ids.add(change.event_id)
    assert.equal(key, change.user_id)
    return JSON.stringify(change)
  })
  const { users, counters } = await exportsIn(place.data)
  assert.ok(changes.length > 0, 'something changed')
  assert.equal(changes.length, counters.changes, 'every change was delivered')
  assert.deepEqual(fold(changes), foldedExport(users.join('\n')))
  await assertAnswers(place, users)
  return messages
}

/** The compacted topic's last word on each user is the exported answer's. */
async function assertAnswers({ brokers, personas }: Place, users: readonly string[]): Promise<void> {
  const last = new Map((await readTopic(brokers, personas)).map(({ key, value }) => [key, value]))
  const told = new Map(
    [...last].map(([user, value]) => [
      user,
      (isAvro(value!) ? decodeAnswerAvro(value!.subarray(5)) : jsonOf<{ primary: string | null }>(value!))
        .primary,
    ]),
  )
  for (const line of users) {
    const { user_id, version, primary } = JSON.parse(line) as {
      user_id: string
      version: number
      primary: string | null
    }
    if (version > 0) assert.equal(told.get(user_id), primary, `answer of ${user_id}`)
  }
}

function isAvro(value: Buffer): boolean {
  return value[0] === 0
}

function jsonOf<T>(value: Buffer): T {
  return JSON.parse(value.toString('utf8')) as T
}

/** Fails with the server's log. */
export function saidBy({ stderr }: Server): (error: unknown) => never {
  return (error) => {
    throw new Error(`the server said:\n${stderr()}`, { cause: error })
  }
}
