// Whose the partitions are: one data directory's, one process's at a time. What is not owned any more is neither applied
// twice nor emitted, whether the group was rebalanced, the session was lost, or a copy has taken over.
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownerAssigner } from '../../src/source/kafka-assigner.ts'
import { type Settings, succeed } from '../support/command.ts'
import { countersIn } from '../support/exports.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { sessionMs } from '../support/kafka-serve.ts'
import {
  assertExact,
  makeTopics,
  order,
  type Place,
  servePlace,
  shopMessages,
  stopWell,
  untilMended,
  withPlace,
} from '../support/kafka-shop.ts'
import { clientOf } from '../support/kafka-topics.ts'
import { logged, type Server, whileStopped } from '../support/server.ts'
import { until } from '../support/wait.ts'

const rebalances = 4
const freezes = 3

describe('ownership on Kafka', { skip: skipKafka, concurrency: 2 }, () => {
  const kafka = sharedKafka()
  const at = (name: string, work: (place: Place) => Promise<void>) =>
    withPlace(name, { brokers: kafka().brokers }, async (place) => {
      await makeTopics(place)
      await work(place)
    })

  it('another directory is refused while one runs and after, until it claims the group', () =>
    at('other', async (place) => {
      await order(place, shopMessages(0, 600))
      const first = await servePlace(place)
      await untilMended(place, first)
      const other: Place = { ...place, data: join(place.dir, 'other') }
      await assertRefused(await servePlace(other), /owned by|belongs to another data directory/)
      await order(place, shopMessages(600, 900))
      await untilMended(place, first)
      await stopWell(first)
      await assertExact(place)
      await assertRefused(await servePlace(other), /belongs to another data directory.*KINDRED_KAFKA_CLAIM/)
      const claiming = await servePlace(other, { env: { KINDRED_KAFKA_CLAIM: 'true' } })
      await untilMended(other, claiming)
      await stopWell(claiming)
      await assertRefused(await servePlace(place), /belongs to another data directory/)
    }))

  it('an older copy of the directory is refused, saying so', () =>
    at('copy', async (place) => {
      await order(place, shopMessages(0, 600))
      await untilConsumedOnce(place)
      const copy: Place = { ...place, data: join(place.dir, 'copy') }
      cpSync(place.data, copy.data, { recursive: true })
      await order(place, shopMessages(600, 1500))
      await untilConsumedOnce(place)
      await assertRefused(await servePlace(copy), /older copy/)
      await assertExact(place)
    }))

  it('rebalances amid batches lose and double nothing', () =>
    at('rebalance', async (place) => {
      const server = await servePlace(place, { env: smallBatches })
      for (let i = 0; i < rebalances; i++) {
        await orderAndApply(place, { from: i * 500, to: (i + 1) * 500 })
        await joinAndLeave(place)
      }
      await untilMended(place, server)
      const joined = logged(server.stderr()).filter(({ msg }) => msg === 'consuming')
      assert.ok(joined.length > rebalances, `joined ${joined.length} times`)
      await stopWell(server)
      await assertExact(place)
    }))

  it('a session that is lost amid batches is begun anew, and loses and doubles nothing', () =>
    at('frozen', async (place) => {
      const server = await servePlace(place, { env: smallBatches })
      for (let i = 0; i < freezes; i++) {
        await orderAndApply(place, { from: i * 700, to: (i + 1) * 700 })
        await whileStopped(server, () => sleep(2 * sessionMs))
      }
      await untilMended(place, server)
      const joined = logged(server.stderr()).filter(({ msg }) => msg === 'consuming')
      assert.ok(joined.length > 1, `joined ${joined.length} times`)
      await stopWell(server)
      await assertExact(place)
    }))

  it('a process that was frozen while its copy took over emits nothing, and ends', () =>
    at('zombie', async (place) => {
      await order(place, shopMessages(0, 600))
      const frozenOne = await servePlace(place)
      await untilMended(place, frozenOne)
      const copy: Place = { ...place, data: join(place.dir, 'copy') }
      let next: Server | undefined
      await whileStopped(frozenOne, async () => {
        await order(place, shopMessages(600, 1200))
        await succeed(['backup', copy.data, '--data', place.data])
        next = await servePlace(copy)
        await untilMended(copy, next)
      })
      await order(place, shopMessages(1200, 1800))
      // by the source, or by the sender, whichever looks first
      await assertRefused(frozenOne, /owned by another data directory|older copy/)
      await untilMended(copy, next!)
      await stopWell(next!)
      await assertExact(copy)
    }))
})

const smallBatches: Settings = { KINDRED_BATCH_SIZE: '16' }

/** Serves until everything is consumed and delivered. */
async function untilConsumedOnce(place: Place): Promise<void> {
  const server = await servePlace(place)
  await untilMended(place, server)
  await stopWell(server)
}

async function assertRefused(server: Server, why: RegExp): Promise<void> {
  const { code, stderr } = await server.ended
  assert.equal(code, 1, stderr)
  assert.match(stderr, why)
}

/** Orders, and returns once some of them are applied. */
async function orderAndApply(place: Place, { from, to }: { from: number; to: number }): Promise<void> {
  const before = (await countersIn(place.data))?.position
  assert.notEqual(before, undefined, 'the store is there')
  await order(place, shopMessages(from, to))
  await until('events are applied', async () => ((await countersIn(place.data))?.position ?? 0) > before!)
}

/** Another member of the group, which is given nothing: the group is rebalanced when it comes and when it goes. */
async function joinAndLeave({ brokers, name, orders }: Place): Promise<void> {
  const consumer = clientOf(brokers).consumer({
    groupId: name,
    sessionTimeout: 10_000,
    partitionAssigners: [ownerAssigner(() => ({ store: 'another', held: false }))],
  })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic: orders })
    const joined = new Promise<object>((resolve) =>
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => resolve(payload.memberAssignment)),
    )
    await consumer.run({ eachMessage: async () => undefined })
    assert.deepEqual(await joined, {}, 'it is given nothing')
  } finally {
    await consumer.disconnect()
  }
}
