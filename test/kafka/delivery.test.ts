// Delivery to Kafka by itself: where a lane goes on, and what it makes of a register that does not tell of a lane.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { FatalError, TransientError } from '../../src/errors.ts'
import { createKafka } from '../../src/kafka/client.ts'
import { CompressionTypes } from '../../src/kafka/kafkajs.ts'
import { kafkaFailure } from '../../src/kafka/problem.ts'
import type { Report } from '../../src/kafka/report.ts'
import { type Lane, TransactionalDelivery } from '../../src/sink/kafka-delivery.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { until } from '../support/wait.ts'

const quiet: Report = { log: () => {}, debug: () => {}, starting: () => {}, problem: () => {} }

describe('the register of lanes', { skip: skipKafka }, () => {
  const kafka = sharedKafka()

  it('says where a lane goes on, nothing of one that never sent, and is asked again for one that is lacking', async () => {
    const { brokers } = kafka()
    await createTopic(brokers, 'orders', { partitions: 2 })
    const delivery = new TransactionalDelivery({
      kafka: createKafka(configFrom({ KINDRED_KAFKA_BROKERS: brokers.join() })),
      group: 'lanes',
      mark: { store: 'a', dir: 'a' },
      claim: false,
      rowsEnd: () => 10,
      compression: CompressionTypes.None,
      report: quiet,
    })
    const lane = (partition: number): Lane => ({
      id: `lanes-orders-${partition}`,
      registerTopic: 'orders',
      registerPartition: partition,
    })
    /** A new broker may still be making the topic of the group's offsets. */
    const opened = (lanes: readonly Lane[]) =>
      until('the lanes are open', async () => {
        try {
          return await delivery.open(lanes)
        } catch (error) {
          await delivery.close()
          if (kafkaFailure(error, 'sending') instanceof FatalError) throw error
          return false
        }
      })
    try {
      assert.deepEqual(await opened([lane(0), lane(1)]), new Map())
      await delivery.send(lane(1), [], 7, () => true)
      await delivery.close()
      assert.deepEqual(await opened([lane(0), lane(1)]), new Map([['lanes-orders-1', 7]]))
      await assert.rejects(delivery.open([lane(2)]), (error: unknown) => {
        assert.ok(error instanceof TransientError)
        assert.match(error.message, /orders\/2 was not told/)
        return true
      })
    } finally {
      await delivery.close()
    }
  })
})
