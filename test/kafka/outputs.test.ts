// What Kindred writes to a real Kafka: changes, answers and tombstones as described, in JSON and Avro, in transactions and
// without, compressed, in parts where a topic takes little at once, and where only HTTP brings events.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import avsc from 'avsc'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { schemaIdOf, wireHeaderBytes } from '../../src/codec/wire-format.ts'
import { assertWholly } from '../support/asyncapi.ts'
import { fold, foldedExport, withoutRepeats } from '../support/change-fold.ts'
import { ndjsonOf } from '../support/events.ts'
import { answersIn, assertSound } from '../support/exports.ts'
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { isReady } from '../support/kafka-serve.ts'
import { bought, changeOf, type KafkaShop, purchase, withShop } from '../support/kafka-small-shop.ts'
import type { ReadMessage } from '../support/kafka-topics.ts'
import { until } from '../support/wait.ts'

const lz4 = 3

describe('outputs on Kafka', { skip: skipKafka }, () => {
  const kafka = sharedKafka()

  it('are changes and answers in JSON, keyed by user, under CloudEvents headers', () =>
    withShop(kafka().brokers, { name: 'json', partitions: 2 }, async (shop) => {
      const server = await shop.serve()
      const changes = await changesOfTraffic(shop)
      for (const message of changes) {
        const change = JSON.parse(message.value!.toString('utf8')) as ChangeEvent
        assertWholly('PersonaChange', change)
        assertWholly('PersonaChangeJsonHeaders', message.headers)
        assertNamed(message, change, shop)
        assert.equal(message.headers.ce_dataschema, undefined)
      }
      const answers = await answersOf(shop, changes)
      for (const message of answers) {
        assertWholly('PersonaAnswer', JSON.parse(message.value!.toString('utf8')) as object)
        assertWholly('PersonaAnswerJsonHeaders', message.headers)
      }
      await assertCurrent(shop, answers, ({ value }) => JSON.parse(value!.toString('utf8')) as Answer)
      assert.ok(hasMarkers(changes), 'transactions leave marks between records')
      await assertFolds(shop, changes)
      assert.equal((await server.stop()).code, 0)
    }))

  it('are Avro in wire format, by schemas that are registered, with a registry', () =>
    withRegistry((registry) =>
      withShop(
        kafka().brokers,
        { name: 'avro', env: { KINDRED_KAFKA_REGISTRY: registry.url } },
        async (shop) => {
          const server = await shop.serve()
          const changes = await changesOfTraffic(shop)
          for (const message of changes) {
            const change = decoded(registry, message, shop.changesTopic)
            assertWholly('PersonaChangeAvroHeaders', message.headers)
            assert.deepEqual(await schemaAt(message), schemaOf(registry, message))
            assertNamed(message, changeOf(message), shop)
            assert.equal(change.event_id, message.headers.ce_id)
          }
          const answers = await answersOf(shop, changes)
          for (const message of answers) {
            assertWholly('PersonaAnswerAvroHeaders', message.headers)
            assert.deepEqual(await schemaAt(message), schemaOf(registry, message))
          }
          await assertCurrent(
            shop,
            answers,
            (message) => decoded(registry, message, shop.personasTopic) as unknown as Answer,
          )
          assert.equal((await server.stop()).code, 0)
        },
      ),
    ))

  it('has a tombstone of an erased user once, between the answers of before and of after', () =>
    withShop(kafka().brokers, { name: 'erase' }, async (shop) => {
      let server = await shop.serve()
      await shop.produce([bought('gone', 'flour'), bought('gone', 'spade'), bought('other', 'flour')])
      await shop.changesOf(['gone-flour', 'other-flour'])
      await shop.consumed()
      const before = (await shop.json(['lookup', 'gone'])).version as number
      assert.equal((await shop.json(['erase', 'gone'])).erased, true)
      assert.equal((await server.lookUp('gone')).status, 404)
      await server.kill()
      server = await shop.serve()
      await answersAre(shop, 'gone', [`${before}`, 'tombstone'])
      await server.kill()
      server = await shop.serve()
      await shop.produce([bought('gone', 'sugar')])
      await shop.changesOf(['gone-sugar'])
      await answersAre(shop, 'gone', [`${before}`, 'tombstone', '1'])
      assert.equal((await server.stop()).code, 0)

      const { applied_by: by } = await shop.json(['erase', 'other'])
      assert.equal(by, 'this command')
      assert.deepEqual(answersFor(await shop.read(shop.personasTopic), 'other'), ['1'])
      server = await shop.serve()
      await answersAre(shop, 'other', ['1', 'tombstone'])
      await answersAre(shop, 'gone', [`${before}`, 'tombstone', '1'])
      assert.equal((await server.stop()).code, 0)
      await assertSound(shop.data)
    }))

  it('are there at least once through kills, without transactions, and in the order of each user', () =>
    withShop(
      kafka().brokers,
      {
        name: 'plain',
        partitions: 2,
        env: { KINDRED_KAFKA_DELIVERY: 'at_least_once', KINDRED_BATCH_SIZE: '8' },
      },
      async (shop) => {
        let server = await shop.serve()
        // more of one kind makes it the primary one; of as many the first
        for (const [cause, ...products] of [
          ['flour', 'flour'],
          ['rake', 'spade', 'rake'],
          ['sugar', 'sugar', 'tin'],
        ] as const) {
          await shop.produce(products.flatMap((product) => users(20).map((user) => bought(user, product))))
          await shop.changesOf([`u3-${cause}`])
          assert.equal((await server.kill()).signal, 'SIGKILL', 'it ran until it was killed')
          server = await shop.serve()
        }
        await shop.consumed()
        const { code, stderr } = await server.stop()
        assert.equal(code, 0, stderr)
        const changes = await shop.changesOf(users(20).map((user) => `${user}-sugar`))
        assert.ok(!hasMarkers(changes), 'no transaction left its marks')
        const texts = changes.map(({ value }) => value!.toString('utf8'))
        const once = withoutRepeats(texts.join('\n'))
        assert.ok(once.length < texts.length, 'a kill made some come again')
        assert.deepEqual(fold(once), foldedExport(await shop.succeed(['export', 'users'])))
      },
    ))

  it('are compressed when asked for, and read back', () =>
    withShop(kafka().brokers, { name: 'lz4', env: { KINDRED_KAFKA_COMPRESSION: 'lz4' } }, async (shop) => {
      const server = await shop.serve()
      const changes = await changesOfTraffic(shop)
      await assertFolds(shop, changes)
      assert.equal(compressionOf(kafka().dir, `${shop.changesTopic}-${changes[0]!.partition}`), lz4)
      assert.equal((await server.stop()).code, 0)
    }))

  it('go out in parts where the topic takes little at once', () =>
    withShop(kafka().brokers, { name: 'parts', partitions: 1 }, async (shop) => {
      for (const topic of [shop.changesTopic, shop.personasTopic])
        await shop.setTopic(topic, { 'max.message.bytes': '6000' })
      await shop.produce(users(100).map((user) => bought(user, 'flour')))
      const server = await shop.serve()
      const changes = await shop.changesOf(users(100).map((user) => `${user}-flour`))
      await assertFolds(shop, changes)
      await assertCurrent(
        shop,
        await answersOf(shop, changes),
        ({ value }) => JSON.parse(value!.toString('utf8')) as Answer,
      )
      await until('it is ready', () => isReady(server))
      assert.equal((await server.stop()).code, 0)
    }))

  it('go out where no topic is consumed: events come by HTTP', () =>
    withShop(
      kafka().brokers,
      { name: 'http', input: false, env: { KINDRED_KAFKA_TOPICS: '' } },
      async (shop) => {
        let server = await shop.serve()
        const event = (product: string) => ndjsonOf([JSON.parse(purchase('web', product)) as object])
        assert.equal((await server.post(event('flour'), 'application/x-ndjson')).status, 202)
        const [change] = (await shop.changesOf(['web-flour'])).filter(({ key }) => key === 'web')
        assertWholly('PersonaChangeJsonHeaders', change!.headers)
        await until('it is ready', () => isReady(server))
        await server.kill()
        server = await shop.serve()
        for (const product of ['spade', 'rake']) await server.post(event(product), 'application/x-ndjson')
        await shop.changesOf(['web-rake'])
        assert.equal((await server.stop()).code, 0)
        await assertFolds(shop, await shop.read(shop.changesTopic))
      },
    ))
})

type Answer = {
  readonly user_id: string
  readonly status: string
  readonly personas: readonly { persona: string }[]
  readonly primary: string | null
  readonly sequence: number
  readonly prototype_set_version: number
}

function users(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `u${n}`)
}

/** Some users become known, and change their mind. */
async function changesOfTraffic(shop: KafkaShop): Promise<ReadMessage[]> {
  const products = ['flour', 'spade', 'rake']
  await shop.produce(products.flatMap((product) => users(10).map((user) => bought(user, product))))
  await shop.consumed()
  return shop.changesOf(users(10).flatMap((user) => [`${user}-flour`, `${user}-rake`]))
}

/** Waits until the topic of answers has the last one of every user that changed. */
async function answersOf(shop: KafkaShop, changes: readonly ReadMessage[]): Promise<ReadMessage[]> {
  const last = new Map(changes.map(({ key, headers }) => [key, headers.ce_id]))
  return until('all answers are there', async () => {
    const found = await shop.read(shop.personasTopic)
    const ids = new Set(found.map(({ headers }) => headers.ce_id))
    return [...last.values()].every((id) => ids.has(id)) && found
  })
}

/** Key and headers name what the value is. */
function assertNamed({ key, headers }: ReadMessage, change: ChangeEvent, { env }: KafkaShop): void {
  assert.equal(key, change.user_id)
  assert.equal(headers.ce_id, change.event_id)
  assert.equal(headers.ce_subject, change.user_id)
  assert.equal(headers.ce_time, change.occurred_at)
  assert.equal(headers.ce_source, `/kindred/${env.KINDRED_KAFKA_GROUP}`)
}

/** The last answer of each key is what a lookup gives; what compaction leaves is a copy. */
async function assertCurrent(
  shop: KafkaShop,
  answers: readonly ReadMessage[],
  read: (message: ReadMessage) => Answer,
): Promise<void> {
  const last = new Map(answers.map((message) => [message.key!, read(message)]))
  const names = [...last.keys()]
  const said = (personas: Answer['personas']) => personas.map(({ persona }) => persona).sort()
  const found = await answersIn(shop.data, names)
  for (const [n, user] of names.entries()) {
    const { user_id, status, personas, primary, sequence, prototype_set_version } = last.get(user)!
    const { version, ...lookup } = found[n]!
    assert.equal(user_id, user)
    assert.deepEqual(
      [status, said(personas), primary, sequence, prototype_set_version],
      [lookup.status, said(lookup.personas), lookup.primary, version, lookup.prototype_set_version],
    )
  }
}

/** Each change once; folded they are the exported answers. */
async function assertFolds(shop: KafkaShop, changes: readonly ReadMessage[]): Promise<void> {
  const texts = changes.map((message) => JSON.stringify(changeOf(message)))
  assert.equal(new Set(changes.map(({ headers }) => headers.ce_id)).size, changes.length, 'each once')
  assert.deepEqual(fold(texts), foldedExport(await shop.succeed(['export', 'users'])))
}

/** Whether offsets between records hold something else: marks of transactions. */
function hasMarkers(messages: readonly ReadMessage[]): boolean {
  return messages.some(({ partition, offset }, n) => {
    const before = messages[n - 1]
    return before?.partition === partition && offset !== before.offset + 1
  })
}

/** What is on the topic of answers for a user, in order: sequences and tombstones; the last of each batch is enough. */
function answersFor(messages: readonly ReadMessage[], user: string): string[] {
  return messages
    .filter(({ key }) => key === user)
    .map(({ value }) =>
      value === null ? 'tombstone' : String((JSON.parse(value.toString('utf8')) as Answer).sequence),
    )
}

/** Waits until the topic ends so for a user; earlier answers of the first life may be there or not. */
async function answersAre(shop: KafkaShop, user: string, wanted: readonly string[]): Promise<void> {
  const lives = (texts: readonly string[]) => {
    const end = texts.indexOf('tombstone')
    return end < 1 ? texts : texts.slice(end - 1)
  }
  let found: string[] = []
  await until(`answers of ${user} are ${wanted.join()}`, async () => {
    found = answersFor(await shop.read(shop.personasTopic), user)
    return found.length >= wanted.length && found.at(-1) === wanted.at(-1)
  })
  assert.deepEqual(lives(found), wanted)
}

async function withRegistry(work: (registry: FakeRegistry) => Promise<void>): Promise<void> {
  const registry = await startFakeRegistry()
  try {
    await work(registry)
  } finally {
    await registry.stop()
  }
}

/** The schema that the message names, which is registered under its topic. */
function schemaOf(registry: FakeRegistry, { value, topic }: ReadMessage): object {
  const id = schemaIdOf(value!)!
  assert.deepEqual(registry.subjects.get(`${topic}-value`), [id])
  return JSON.parse(registry.schemas.get(id)!.schema) as object
}

/** The value, read as a stranger would: by the registered schema alone. */
function decoded(registry: FakeRegistry, message: ReadMessage, topic: string): { event_id: string } {
  assert.equal(message.topic, topic)
  const type = avsc.Type.forSchema(schemaOf(registry, message) as avsc.Schema)
  return type.fromBuffer(message.value!.subarray(wireHeaderBytes)) as { event_id: string }
}

/** The schema that ce_dataschema leads to. */
async function schemaAt({ headers }: ReadMessage): Promise<unknown> {
  const response = await fetch(headers.ce_dataschema!)
  return JSON.parse(((await response.json()) as { schema: string }).schema)
}

/** Compression of the first record batch in a partition's log: the low bits of its attributes. */
function compressionOf(dir: string, partition: string): number {
  const attributesAt = 8 + 4 + 4 + 1 + 4
  return readFileSync(join(dir, 'data', partition, `${'0'.repeat(20)}.log`)).readInt16BE(attributesAt) & 7
}
