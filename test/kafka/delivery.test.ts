// Delivery to Kafka by itself: where a lane goes on, and what it makes of a register that does not tell of a lane.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { FatalError, TransientError } from '../../src/errors.ts'
import { createKafka } from '../../src/kafka/client.ts'
import { CompressionTypes } from '../../src/kafka/kafkajs.ts'
import { registerGroupOf } from '../../src/kafka/names.ts'
import { ownerMark } from '../../src/kafka/owner.ts'
import { kafkaFailure } from '../../src/kafka/problem.ts'
import type { Report } from '../../src/kafka/report.ts'
import { type Delivery, type Lane, TransactionalDelivery } from '../../src/sink/kafka-delivery.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { clientOf, createTopic } from '../support/kafka-topics.ts'
import { until } from '../support/wait.ts'

const quiet: Report = { log: () => {}, debug: () => {}, starting: () => {}, problem: () => {} }

function deliveryTo(brokers: readonly string[], group: string): TransactionalDelivery {
  return new TransactionalDelivery({
    kafka: createKafka(configFrom({ KINDRED_KAFKA_BROKERS: brokers.join() })),
    group,
    mark: { store: 'a', dir: 'a' },
    claim: false,
    rowsEnd: () => 10,
    compression: CompressionTypes.None,
    report: quiet,
  })
}

/** Opens lanes; a new broker may still be making the topic of the group's offsets. */
function opened(delivery: Delivery, lanes: readonly Lane[]): Promise<ReadonlyMap<string, number>> {
  return until('the lanes are open', async () => {
    try {
      return await delivery.open(lanes)
    } catch (error) {
      await delivery.close()
      if (kafkaFailure(error, 'sending') instanceof FatalError) throw error
      return false
    }
  })
}

describe('the register of lanes', { skip: skipKafka }, () => {
  const kafka = sharedKafka()

  it('says where a lane goes on, nothing of one that never sent, and is asked again for one that is lacking', async () => {
    const { brokers } = kafka()
    await createTopic(brokers, 'orders', { partitions: 2 })
    const delivery = deliveryTo(brokers, 'lanes')
    const lane = (partition: number): Lane => ({
      id: `lanes-orders-${partition}`,
      registerTopic: 'orders',
      registerPartition: partition,
    })
    try {
      assert.deepEqual(await opened(delivery, [lane(0), lane(1)]), new Map())
      await delivery.send(lane(1), [], 7, () => true)
      await delivery.close()
      assert.deepEqual(await opened(delivery, [lane(0), lane(1)]), new Map([['lanes-orders-1', 7]]))
      await assert.rejects(delivery.open([lane(2)]), (error: unknown) => {
        assert.ok(error instanceof TransientError)
        assert.match(error.message, /orders\/2 was not told/)
        return true
      })
    } finally {
      await delivery.close()
    }
  })

  it('is not told while a transaction that writes it has not ended', async () => {
    const { brokers } = kafka()
    await createTopic(brokers, 'unsettled', { partitions: 1 })
    const delivery = deliveryTo(brokers, 'settling')
    const lane: Lane = { id: 'settling-0', registerTopic: 'unsettled', registerPartition: 0 }
    // what ends later than it is heard of: here the transaction of another
    const other = clientOf(brokers).producer({ transactionalId: 'another', maxInFlightRequests: 1 })
    await other.connect()
    try {
      assert.deepEqual(await opened(delivery, [lane]), new Map())
      await delivery.send(lane, [], 7, () => true)
      await delivery.close()
      const transaction = await other.transaction()
      const offsets = [{ partition: 0, offset: '9', metadata: ownerMark({ store: 'a', dir: 'a' }) }]
      const topics = [{ topic: 'unsettled', partitions: offsets }]
      await transaction.sendOffsets({ consumerGroupId: registerGroupOf('settling'), topics })
      await assert.rejects(delivery.open([lane]), (error: unknown) => {
        assert.equal((error as { type?: string }).type, 'UNSTABLE_OFFSET_COMMIT')
        assert.ok(kafkaFailure(error, 'sending') instanceof TransientError)
        return true
      })
      await delivery.close()
      await transaction.commit()
      assert.deepEqual(await opened(delivery, [lane]), new Map([[lane.id, 9]]))
    } finally {
      await other.disconnect()
      await delivery.close()
    }
  })
})
