// Poison on a real Kafka: records that nobody can read go to quarantine and, each once, to the dead-letter topic as they
// came; the stream goes on around them, through kills, small dead-letter topics, and dead-letter topics that are not there.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Message } from 'kafkajs'
import { wireFormat } from '../../src/codec/wire-format.ts'
import { recordBytesMax } from '../../src/core/limits.ts'
import { assertDescribed, assertWholly } from '../support/asyncapi.ts'
import { avroValue, eventSchema } from '../support/avro-values.ts'
import { eventOf } from '../support/events.ts'
import { assertSound, countersIn } from '../support/exports.ts'
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { isReady } from '../support/kafka-serve.ts'
import { bought, edgesIn, type KafkaShop, purchase, withShop } from '../support/kafka-small-shop.ts'
import type { ReadMessage } from '../support/kafka-topics.ts'
import { until } from '../support/wait.ts'

const partitions = 3
/** A schema that the registry learns of later. */
const lateSchema = 4242
const large = 5_000_000
const largeTopic = { 'max.message.bytes': String(8 * 1024 * 1024) }

type Poison = {
  readonly name: string
  readonly partition: number
  readonly value: Buffer | null
  readonly cause: RegExp
}
type Quarantined = {
  readonly id: number
  readonly source: string
  readonly position: number
  readonly cause: string
  readonly bytes_base64: string
}

describe('poison on Kafka', { skip: skipKafka }, () => {
  const kafka = sharedKafka()
  let registry: FakeRegistry
  before(async () => {
    registry = await startFakeRegistry()
  })
  after(() => registry?.stop())

  it('goes to the dead-letter topic as it came, each once through kills, and the stream goes on', () =>
    withShop(
      kafka().brokers,
      {
        name: 'poison',
        partitions,
        config: largeTopic,
        env: { KINDRED_KAFKA_REGISTRY: registry.url, KINDRED_BATCH_SIZE: '4' },
      },
      async (shop) => {
        const schema = registry.register(eventSchema)
        const all = [0, 1, 2].map((round) => poisons(schema, round))
        let server = await shop.serve()
        for (const [round, some] of all.entries()) {
          const position = (await countersIn(shop.data))!.position
          await shop.produce(among(some, round))
          await until('some of it is applied', async () => (await countersIn(shop.data))!.position > position)
          if (round === 2) break
          assert.equal((await server.kill()).signal, 'SIGKILL', 'it ran until it was killed')
          server = await shop.serve()
        }
        await shop.consumed()
        const wanted = all.flat()
        const listed = await shop.lines<Quarantined>(['quarantine', 'list'])
        assertListed(listed, wanted)
        assertLetters(await letters(shop, wanted.length), { listed, wanted, topic: shop.topic })
        const edges = await edgesIn(shop.data)
        for (const user of goodUsers) assert.ok(edges.has(`${user} flour`), user)
        await assertReplays(shop, { registry, listed })
        assert.equal((await server.stop()).code, 0)
        await assertReplaysAlone(shop, listed)
        await assertSound(shop.data)
        server = await shop.serve()
        await shop.produce([bought('last', 'tin')])
        await shop.changesOf(['bad-2-late 2', 'last-tin'])
        assert.equal((await server.stop()).code, 0)
        assert.equal((await letters(shop, wanted.length)).length, wanted.length, 'no letter comes again')
      },
    ))

  it('goes without its bytes to a dead-letter topic that takes no such message; smaller ones keep theirs', () =>
    withShop(
      kafka().brokers,
      {
        name: 'small',
        partitions: 1,
        config: largeTopic,
        env: { KINDRED_KAFKA_DEAD_LETTER_SUFFIX: '-dead' },
      },
      async (shop) => {
        await shop.setTopic(`${shop.topic}-dead`, { 'max.message.bytes': '20000' })
        const sizes = [...Array.from({ length: 40 }, () => 1_000), 50_000, 500, 3_000_000, 20]
        await shop.produce([
          bought('early', 'flour'),
          ...sizes.map((size, n) => ({ key: `k${n}`, value: 'x'.repeat(size), headers: { own: 'kept' } })),
          bought('late', 'flour'),
        ])
        const server = await shop.serve()
        await shop.consumed()
        const found = await letters(shop, sizes.length, '-dead')
        assert.deepEqual(
          found.map(({ key, value }) => [key, value?.length]),
          sizes.map((size, n) => [`k${n}`, size > 20_000 ? undefined : size]),
        )
        for (const { value, headers } of found) {
          assert.equal(headers['kindred.errors.value'], value === null ? 'kept in quarantine' : undefined)
          assert.equal(headers.own, 'kept')
          assertDescribed('DeadLetterHeaders', headers)
        }
        const listed = await shop.lines<Quarantined>(['quarantine', 'list'])
        assert.deepEqual(
          listed.map(({ bytes_base64 }) => Buffer.from(bytes_base64, 'base64').length),
          sizes,
        )
        assert.ok((await edgesIn(shop.data)).has('late flour'))
        await until('it is ready', () => isReady(server))
        const { code, stderr } = await server.stop()
        assert.equal(code, 0, stderr)
        assert.match(stderr, /max\.message\.bytes/)
      },
    ))

  it('waits for a dead-letter topic that is not there, says so, and the stream goes on', () =>
    withShop(kafka().brokers, { name: 'missing', partitions: 2 }, async (shop) => {
      await shop.deleteTopic(`${shop.topic}.dlq`)
      await shop.produce([
        { key: 'bad', value: 'no event', partition: 1 },
        bought('next', 'flour', { partition: 1 }),
      ])
      const server = await shop.serve()
      await shop.consumed()
      assert.ok((await edgesIn(shop.data)).has('next flour'))
      const detail = await until('it says that it is not ready', async () => {
        const { status, body } = await server.get('/readyz')
        return status === 503 && /dead letters/.test(String(body.detail)) && String(body.detail)
      })
      assert.match(detail, /orders-missing\.dlq.*topics create/)
      await shop.produce([bought('then', 'sugar')])
      await shop.consumed()
      await shop.changesOf(['then-sugar'])
      await shop.makeTopics()
      await until('it is ready', () => isReady(server))
      const [letter, ...more] = await letters(shop, 1)
      assert.deepEqual(more, [])
      assert.deepEqual([letter!.key, letter!.partition, letter!.value!.toString()], ['bad', 1, 'no event'])
      assert.equal((await server.stop()).code, 0)
    }))
})

const goodUsers = [0, 1, 2].flatMap((round) =>
  [0, 1, 2].flatMap((partition) => [`before ${round}.${partition}`, `after ${round}.${partition}`]),
)

/** One of every kind, over the partitions. */
function poisons(schema: number, round: number): Poison[] {
  const event = (user: string) => purchase(user, 'flour', `bad-${round}-${user}`)
  const whole = avroValue(schema, event('cut'))
  const kinds: Record<string, readonly [Buffer | null, RegExp]> = {
    truncated: [whole.subarray(0, whole.length - 3), /^not a value of schema \d+/],
    'unknown schema': [avroValue(lateSchema, event(`late ${round}`)), /^schema 4242 is unknown/],
    'a header of no schema': [Buffer.from([0, 0, 1]), /truncated/],
    'wrong magic byte': [Buffer.concat([Buffer.from([1]), whole.subarray(1)]), /byte 0x01/],
    'other bytes in wire format': [wireFormat(schema, Buffer.alloc(4, 0xff)), /^not a value of schema/],
    'wrong fields': [Buffer.from(JSON.stringify(eventOf({ quantity: 0 }))), /^quantity 0/],
    'no JSON': [Buffer.from('hello, world'), /byte 0x68/],
    'half of JSON': [Buffer.from('{"event_id":"1","user_'), /^not JSON/],
    empty: [Buffer.alloc(0), /empty/],
    tombstone: [null, /null value/],
    // an event, but for its size
    large: [
      Buffer.from(JSON.stringify(eventOf({ event_id: `large-${round}`, title: 'x'.repeat(large) }))),
      new RegExp(`5\\d{6} bytes.*at most ${recordBytesMax}`),
    ],
  }
  return Object.entries(kinds).map(([name, [value, cause]], n) => ({
    name: `${name} ${round}`,
    partition: (n + round) % partitions,
    value,
    cause,
  }))
}

/** A good event before and after the bad ones of each partition. */
function among(bad: readonly Poison[], round: number): Message[] {
  const good = (when: string) =>
    Array.from({ length: partitions }, (_, partition) =>
      bought(`${when} ${round}.${partition}`, 'flour', { partition }),
    )
  return [...good('before'), ...bad.map(messageOf), ...good('after')]
}

function messageOf({ name, partition, value }: Poison): Message {
  return { key: keyOf(name), value, partition, headers: headersOf(name) }
}

/** Bytes that are no text. */
function keyOf(name: string): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0]), Buffer.from(name)])
}

function headersOf(name: string): Record<string, string> {
  return { own: `header of ${name}`, 'content-type': 'application/x-poison', empty: '' }
}

/** `quarantine list` has each of them, at its place, with its bytes and why. */
function assertListed(listed: readonly Quarantined[], wanted: readonly Poison[]): void {
  assert.equal(listed.length, wanted.length)
  for (const { name, partition, value, cause } of wanted) {
    const found = listed.filter(
      (one) =>
        one.source === `kafka:orders-poison/${partition}` &&
        one.bytes_base64 === (value ?? Buffer.alloc(0)).toString('base64') &&
        cause.test(one.cause),
    )
    assert.ok(found.length > 0, `${name} is listed`)
  }
}

/** Waits for `count` letters; all that are there. */
async function letters(shop: KafkaShop, count: number, suffix = '.dlq'): Promise<ReadMessage[]> {
  return until(`${count} letters are there`, async () => {
    const found = await shop.read(`${shop.topic}${suffix}`)
    return found.length >= count && found
  })
}

function assertLetters(
  found: readonly ReadMessage[],
  { listed, wanted, topic }: { listed: readonly Quarantined[]; wanted: readonly Poison[]; topic: string },
): void {
  assert.equal(found.length, wanted.length, 'one letter each')
  for (const { name, partition, value, cause } of wanted) {
    const own = found.filter(({ keyBytes }) => keyOf(name).equals(keyBytes!))
    assert.equal(own.length, 1, `one letter of ${name}`)
    const letter = own[0]!
    assert.equal(letter.partition, partition, name)
    assert.deepEqual(letter.value, value, name)
    const { headers } = letter
    for (const [header, text] of Object.entries(headersOf(name))) assert.equal(headers[header], text)
    assertDescribed('DeadLetterHeaders', headers)
    const { own: _own, 'content-type': _type, empty: _empty, ...ours } = headers
    assertWholly('DeadLetterHeaders', ours)
    assert.equal(headers['__connect.errors.topic'], topic)
    assert.equal(headers['__connect.errors.partition'], String(partition))
    assert.match(headers['__connect.errors.exception.message']!, cause)
    const record = listed.find(({ id }) => String(id) === headers['kindred.errors.quarantine_id'])!
    assert.equal(String(record.position), headers['__connect.errors.offset'])
    assert.equal(record.cause, headers['__connect.errors.exception.message'])
  }
}

/** The registry has learnt the schema: with `serve` running the record is applied, and everything else stays. */
async function assertReplays(
  shop: KafkaShop,
  { registry, listed }: { registry: FakeRegistry; listed: readonly Quarantined[] },
): Promise<void> {
  const userOf = ({ bytes_base64 }: Quarantined) =>
    /late \d/.exec(Buffer.from(bytes_base64, 'base64').toString('latin1'))![0]
  const late = listed
    .filter(({ cause }) => cause.startsWith('schema 4242'))
    .sort((a, b) => (userOf(a) < userOf(b) ? -1 : 1))
  assert.equal(late.length, 3)
  const [first, second] = late
  const before = await shop.json(['quarantine', 'replay', String(first!.id)])
  assert.deepEqual(before, { tried: 1, released: 0, still_quarantined: listed.length })
  registry.schemas.set(lateSchema, { schema: eventSchema })
  for (const [n, { id }] of [first!, second!].entries())
    assert.deepEqual(await shop.json(['quarantine', 'replay', String(id)]), {
      tried: 1,
      released: 1,
      still_quarantined: listed.length - 1 - n,
    })
  assert.ok((await edgesIn(shop.data)).has('late 0 flour'))
  const user = await shop.json(['lookup', 'late 0'])
  assert.equal(user.status, 'inferred')
  await shop.changesOf(['bad-0-late 0', 'bad-1-late 1'])
}

/** The same with nobody serving: all are tried, and what is poison stays. */
async function assertReplaysAlone(shop: KafkaShop, listed: readonly Quarantined[]): Promise<void> {
  const left = listed.length - 2
  assert.deepEqual(await shop.json(['quarantine', 'replay', '--all']), {
    tried: left,
    released: 1,
    still_quarantined: left - 1,
  })
  assert.ok((await edgesIn(shop.data)).has('late 2 flour'))
}
