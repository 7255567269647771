// Where a real Kafka is read from: the first start, records and topics that are gone, topics and partitions that come,
// transactional input, and values of other makes.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Partitioners } from '../../src/kafka/kafkajs.ts'
import { avroValue, eventSchema } from '../support/avro-values.ts'
import { assertSound, countersIn } from '../support/exports.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { isReady, readStore } from '../support/kafka-serve.ts'
import { bought, changeOf, edgesIn, type KafkaShop, purchase, withShop } from '../support/kafka-small-shop.ts'
import { clientOf, createTopic, endsOf, withAdmin } from '../support/kafka-topics.ts'
import { parseMetrics } from '../support/prometheus-text.ts'
import { whileStopped } from '../support/server.ts'
import { until } from '../support/wait.ts'

const refresh = { KINDRED_KAFKA_REFRESH_MS: '300' }

describe('starts on Kafka', { skip: skipKafka }, () => {
  const kafka = sharedKafka()

  it('reads a new topic from its beginning unless told otherwise', () =>
    withShop(kafka().brokers, { name: 'earliest' }, async (shop) => {
      await shop.produce([bought('early', 'flour')])
      const server = await shop.serve()
      await shop.consumed()
      assert.deepEqual(await buyersIn(shop), ['early'])
      assert.equal((await server.stop()).code, 0)
    }))

  it('from latest: nothing of before, and everything since, also what came while it was away', () =>
    withShop(
      kafka().brokers,
      { name: 'latest', partitions: 2, env: { KINDRED_KAFKA_FROM: 'latest' } },
      async (shop) => {
        await shop.produce([bought('early', 'flour', { partition: 0 })])
        const first = await shop.serve()
        await until('it begins', () => begun(shop, 2))
        await first.kill()
        await shop.produce([
          bought('away 0', 'flour', { partition: 0 }),
          bought('away 1', 'flour', { partition: 1 }),
        ])
        const server = await shop.serve()
        await shop.consumed()
        assert.deepEqual(await buyersIn(shop), ['away 0', 'away 1'])
        assert.equal((await server.stop()).code, 0)
      },
    ))

  it('from a time: records since then, and the end where there are none', () =>
    withShop(
      kafka().brokers,
      { name: 'time', partitions: 2, env: { KINDRED_KAFKA_FROM: '2025-06-01T00:00:00Z' } },
      async (shop) => {
        const at = (user: string, time: string, partition: number) =>
          bought(user, 'flour', { partition, timestamp: String(Date.parse(time)) })
        await shop.produce([
          at('may', '2025-05-31T23:59:59Z', 0),
          at('june', '2025-06-01T00:00:00Z', 0),
          at('july', '2025-07-01T00:00:00Z', 0),
          at('april', '2025-04-01T00:00:00Z', 1),
        ])
        const server = await shop.serve()
        await shop.consumed()
        await shop.produce([at('later', '2025-01-01T00:00:00Z', 1)])
        await shop.consumed()
        assert.deepEqual(await buyersIn(shop), ['july', 'june', 'later'])
        assert.equal((await server.stop()).code, 0)
      },
    ))

  it('stops where records are gone, says which and what to do; or goes on from the earliest, with a warning', () =>
    withShop(kafka().brokers, { name: 'gone' }, async (shop) => {
      await shop.produce([bought('read', 'flour')])
      let server = await shop.serve()
      await shop.consumed()
      assert.equal((await server.stop()).code, 0)
      await shop.produce(['lost 1', 'lost 2', 'left'].map((user) => bought(user, 'flour')))
      await dropBefore(shop, 3)

      const { code, stderr } = await (await shop.serve()).ended
      assert.equal(code, 1)
      assert.match(
        stderr,
        /records 1 to 2 of kafka:orders-gone\/0 are gone.*KINDRED_KAFKA_OFFSET_RESET=earliest/,
      )
      assert.deepEqual(await buyersIn(shop), ['read'])

      server = await shop.serve({ KINDRED_KAFKA_OFFSET_RESET: 'earliest' })
      await shop.consumed()
      assert.deepEqual(await buyersIn(shop), ['left', 'read'])
      assert.match(server.stderr(), /"level":40[^\n]*records 1 to 2 of kafka:orders-gone\/0 are gone/)
      assert.equal((await server.stop()).code, 0)
      await assertSound(shop.data)
    }))

  it('does the same while it runs', () =>
    withShop(kafka().brokers, { name: 'slow' }, async (shop) => {
      const earliest = { KINDRED_KAFKA_OFFSET_RESET: 'earliest' }
      let server = await shop.serve(earliest)
      await shop.produce([bought('read', 'flour')])
      await shop.consumed()
      await whileStopped(server, async () => {
        await shop.produce([bought('bait', 'flour')]) // for a fetch that is under way
        await shop.produce(['lost', 'left'].map((user) => bought(user, 'flour')))
        await dropBefore(shop, 3)
      })
      await shop.consumed()
      assert.deepEqual(
        (await buyersIn(shop)).filter((user) => user !== 'bait'),
        ['left', 'read'],
      )
      assert.match(server.stderr(), /"level":40[^\n]*records [12] to 2 of kafka:orders-slow\/0 are gone/)
      assert.equal((await server.stop()).code, 0)

      server = await shop.serve()
      await until('it is ready', () => isReady(server))
      await whileStopped(server, async () => {
        await shop.produce([bought('bait too', 'flour')])
        await shop.produce(['lost too', 'left too'].map((user) => bought(user, 'flour')))
        await dropBefore(shop, 6)
      })
      const { code, stderr } = await server.ended
      assert.equal(code, 1, stderr)
      assert.match(stderr, /records [45] to 5 of kafka:orders-slow\/0 are gone/)
    }))

  it('tells a topic that was made anew, and then repeats no event_id', () =>
    withShop(kafka().brokers, { name: 'anew' }, async (shop) => {
      await shop.produce([bought('u', 'flour'), bought('u', 'spade'), bought('v', 'flour')])
      let server = await shop.serve()
      await shop.consumed()
      await shop.changesOf(['u-flour', 'v-flour'])
      assert.equal((await server.stop()).code, 0)
      await shop.deleteTopic(shop.topic)
      await createTopic(shop.brokers, shop.topic)
      await shop.produce([bought('u', 'rake')])

      const { code, stderr } = await (await shop.serve()).ended
      assert.equal(code, 1)
      assert.match(
        stderr,
        /kafka:orders-anew\/0 ends at 1, and 3 records of it were read.*OFFSET_RESET=earliest/,
      )

      server = await shop.serve({ KINDRED_KAFKA_OFFSET_RESET: 'earliest' })
      const changes = (await shop.changesOf(['u-rake'])).map(changeOf)
      const anew = changes.find(({ cause }) => cause.event_id === 'u-rake')!
      assert.deepEqual(
        [anew.user_id, anew.cause.source, anew.cause.position],
        ['u', 'kafka:orders-anew/0#1', 0],
      )
      assert.equal(new Set(changes.map(({ event_id }) => event_id)).size, changes.length)
      assert.equal(changes.find(({ cause }) => cause.event_id === 'u-flour')!.cause.position, 0)
      await server.kill()
      server = await shop.serve()
      await shop.produce([bought('w', 'flour')])
      const after = (await shop.changesOf(['w-flour'])).map(changeOf)
      assert.equal(after.find(({ user_id }) => user_id === 'w')!.cause.source, 'kafka:orders-anew/0#1')
      assert.equal((await server.stop()).code, 0)
      await assertSound(shop.data)
    }))

  it('follows a topic that is deleted and made anew while it runs', () =>
    withShop(
      kafka().brokers,
      { name: 'again', env: { KINDRED_KAFKA_OFFSET_RESET: 'earliest' } },
      async (shop) => {
        await shop.produce([bought('u', 'flour'), bought('u', 'spade')])
        const server = await shop.serve()
        await shop.consumed()
        await shop.deleteTopic(shop.topic)
        await until('it says that there is no topic', async () => !(await isReady(server)))
        await createTopic(shop.brokers, shop.topic)
        await shop.produce([bought('u', 'rake')])
        const changes = (await shop.changesOf(['u-rake'])).map(changeOf)
        assert.equal(new Set(changes.map(({ event_id }) => event_id)).size, changes.length)
        await until('it is ready', () => isReady(server))
        assert.equal((await server.stop()).code, 0)
      },
    ))

  it('reads topics that a pattern comes to fit, and never what it writes itself', () =>
    withShop(
      kafka().brokers,
      {
        name: 'pattern',
        env: {
          ...refresh,
          KINDRED_KAFKA_TOPICS: '/orders-pattern.*/',
          KINDRED_KAFKA_CHANGES_TOPIC: 'orders-pattern-changes',
          KINDRED_KAFKA_PERSONAS_TOPIC: 'orders-pattern-personas',
        },
      },
      async (shop) => {
        const server = await shop.serve()
        await shop.produce([bought('one', 'flour'), { key: 'bad', value: 'bad' }])
        await shop.consumed()
        await createTopic(shop.brokers, 'orders-pattern-b', { partitions: 2 })
        await shop.makeTopics()
        await shop.produce(
          [bought('two', 'flour', { partition: 1 }), { key: 'bad', value: 'bad', partition: 0 }],
          'orders-pattern-b',
        )
        await shop.consumed('orders-pattern-b')
        await shop.changesOf(['one-flour', 'two-flour'])
        await until('both letters are there', async () => {
          const letters = [await shop.read('orders-pattern.dlq'), await shop.read('orders-pattern-b.dlq')]
          return letters.every(({ length }) => length === 1)
        })
        // looked for again, when all of its outputs are there and hold something
        await createTopic(shop.brokers, 'orders-pattern-c')
        await shop.produce([bought('three', 'flour')], 'orders-pattern-c')
        await shop.consumed('orders-pattern-c')
        assert.equal((await countersIn(shop.data))!.quarantined, 2)
        assert.deepEqual(await sourcesIn(shop), [
          'kafka:orders-pattern-b/0',
          'kafka:orders-pattern-b/1',
          'kafka:orders-pattern-c/0',
          'kafka:orders-pattern/0',
        ])
        assert.equal((await server.stop()).code, 0)
      },
    ))

  it('reads partitions that are added from their beginning, also one that begins with an aborted transaction', () =>
    withShop(kafka().brokers, { name: 'more', env: refresh }, async (shop) => {
      const server = await shop.serve()
      await shop.produce([bought('one', 'flour')])
      await shop.consumed()
      await withAdmin(shop.brokers, (admin) =>
        admin.createPartitions({ topicPartitions: [{ topic: shop.topic, count: 3 }] }),
      )
      await using producer = await transactional(shop, 'aborts-first')
      const aborted = await producer.transaction()
      await aborted.send({ topic: shop.topic, messages: [bought('never', 'flour', { partition: 1 })] })
      await aborted.abort()
      await until('the partition is passed over', () =>
        readStore(shop.data, (store) => store.watermark('kafka:orders-more/1') > 0),
      )
      await shop.produce([
        bought('two', 'flour', { partition: 1 }),
        bought('three', 'flour', { partition: 2 }),
      ])
      await shop.consumed()
      await shop.changesOf(['two-flour', 'three-flour'])
      assert.deepEqual(await buyersIn(shop), ['one', 'three', 'two'])
      await until('it is ready', () => isReady(server))
      const { code, stderr } = await server.stop()
      assert.equal(code, 0, stderr)
    }))

  it('applies what was committed of transactions that overlap, and passes over their marks', () =>
    withShop(kafka().brokers, { name: 'transactions', partitions: 2 }, async (shop) => {
      const server = await shop.serve()
      const committed = await overlapping(shop)
      // a commit is answered before its marks are in the log
      await until('it is applied', async () => (await buyersIn(shop)).length >= committed.length)
      await shop.consumed()
      assert.deepEqual(await buyersIn(shop), committed.sort())
      const ends = await endsOf(shop.brokers, shop.topic)
      await until('lag is 0', () =>
        withAdmin(shop.brokers, async (admin) => {
          const [topic] = await admin.fetchOffsets({ groupId: 'transactions', topics: [shop.topic] })
          return topic!.partitions.every(({ partition, offset }) => Number(offset) === ends.get(partition))
        }),
      )
      await until('metrics say so', async () => {
        const now = parseMetrics(await (await fetch(`${server.url}/metrics`)).text())
        const lags = [...ends.keys()].map((partition) =>
          ['kindred_kafka_lag_records', 'kindred_kafka_lag_seconds'].map((name) =>
            now.value(name, { topic: shop.topic, partition: String(partition) }),
          ),
        )
        return lags.every(([records, seconds]) => records === 0 && seconds === 0)
      })
      assert.doesNotMatch(server.stderr(), /"level":40/)
      assert.equal((await server.stop()).code, 0)
      await assertSound(shop.data)
    }))

  it('reads JSON of other field names by a mapping', () =>
    withShop(
      kafka().brokers,
      {
        name: 'mapped',
        env: {
          KINDRED_KAFKA_MAPPING:
            'user_id: customer.id, product_id: sku, event_id: @position, type: =purchase, ts: @timestamp, quantity: count',
        },
      },
      async (shop) => {
        await shop.produce([
          { key: 'k', value: JSON.stringify({ customer: { id: 17 }, sku: 'flour', count: 2 }) },
        ])
        const server = await shop.serve()
        await shop.changesOf(['orders-mapped/0/0'])
        assert.deepEqual(await buyersIn(shop), ['17'])
        assert.equal((await server.stop()).code, 0)
      },
    ))

  it('reads bare Avro by a schema of its own', () =>
    withShop(kafka().brokers, { name: 'bare' }, async (shop) => {
      const file = join(shop.dir, 'event.avsc')
      writeFileSync(file, eventSchema)
      const value = avroValue(1, purchase('bare', 'flour')).subarray(5)
      await shop.produce([
        { key: 'bare', value },
        { key: 'cut', value: value.subarray(0, 9) },
      ])
      const server = await shop.serve({ KINDRED_KAFKA_VALUE: 'avro', KINDRED_KAFKA_SCHEMA_FILE: file })
      await shop.changesOf(['bare-flour'])
      await shop.consumed()
      assert.deepEqual(await buyersIn(shop), ['bare'])
      assert.equal((await countersIn(shop.data))!.quarantined, 1)
      assert.equal((await server.stop()).code, 0)
    }))
})

/** Users that bought something and are not the labelled ones. */
async function buyersIn({ data }: KafkaShop): Promise<string[]> {
  const users = [...(await edgesIn(data))].map((edge) => edge.slice(0, edge.lastIndexOf(' ')))
  return [...new Set(users)].filter((user) => !user.startsWith('a ')).sort()
}

async function sourcesIn({ data }: KafkaShop): Promise<string[]> {
  const watermarks = await readStore(data, (store) => store.watermarks())
  return Object.keys(watermarks)
    .filter((source) => source.startsWith('kafka:'))
    .sort()
}

async function begun(shop: KafkaShop, partitions: number): Promise<boolean> {
  return (await sourcesIn(shop)).length === partitions
}

/** Deletes the records of partition 0 below this offset. */
function dropBefore({ brokers, topic }: KafkaShop, offset: number): Promise<void> {
  return withAdmin(brokers, async (admin) => {
    await admin.fetchTopicOffsets(topic) // kafkajs must have heard of the topic first
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
  })
}

async function transactional({ brokers }: KafkaShop, id: string) {
  const producer = clientOf(brokers).producer({
    transactionalId: id,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.disconnect() })
}

/** Rounds of two transactions open at once, of which one or none is aborted; the users whose purchases were committed. */
async function overlapping(shop: KafkaShop): Promise<string[]> {
  await using one = await transactional(shop, 'one')
  await using two = await transactional(shop, 'two')
  const committed: string[] = []
  for (const [round, aborts] of (['one', 'two', 'none', 'both', 'one', 'two'] as const).entries()) {
    const [first, second] = [await one.transaction(), await two.transaction()]
    for (const part of [0, 1, 2])
      for (const [name, transaction] of [
        ['one', first],
        ['two', second],
      ] as const) {
        const users = [0, 1].map((partition) => `${name} ${round}.${part}.${partition}`)
        await transaction.send({
          topic: shop.topic,
          messages: users.map((user, partition) => bought(user, 'flour', { partition })),
        })
        if (aborts !== name && aborts !== 'both') committed.push(...users)
      }
    await shop.produce([bought(`plain ${round}`, 'flour', { partition: 0 })])
    committed.push(`plain ${round}`)
    await (aborts === 'two' || aborts === 'both' ? second.abort() : second.commit())
    await (aborts === 'one' || aborts === 'both' ? first.abort() : first.commit())
  }
  return committed
}
