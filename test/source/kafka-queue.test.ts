// Fetched records on their way to the pipeline: in order, without a hole, bounded, and whatever their headers are.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { KafkaMessage } from 'kafkajs'
import { FatalError } from '../../src/errors.ts'
import { type Fetched, FetchedQueue } from '../../src/source/kafka-queue.ts'

function fetched(from: number, offsets: readonly number[], more: Partial<Fetched> = {}): Fetched {
  return {
    partition: { topic: 'orders', partition: 1 },
    refSource: 'kafka:orders/1#2',
    from,
    next: (offsets.at(-1) ?? from) + 1,
    messages: offsets.map((offset) => message({ offset: String(offset) })),
    bytes: 10,
    schemas: new Map(),
    ...more,
  }
}

function message(more: Partial<KafkaMessage>): KafkaMessage {
  const base = {
    key: null,
    value: Buffer.from('{}'),
    timestamp: '5',
    attributes: 0,
    offset: '0',
    headers: {},
  }
  return { ...base, ...more } as KafkaMessage
}

describe('the queue of fetched records', () => {
  it('hands out parts that join, over offsets that hold nothing', () => {
    const queue = new FetchedQueue(15)
    queue.push(fetched(3, [5, 6, 9], { next: 12 }))
    assert.ok(!queue.full)
    queue.push(fetched(12, [], { next: 14 }))
    assert.ok(queue.full)
    const taken = [queue.take(2), queue.take(2), queue.take(2), queue.take(2)]
    assert.deepEqual(
      taken.map((batch) => batch && [batch.from, batch.records.map(({ offset }) => offset), batch.next]),
      [[3, [5, 6], 7], [7, [9], 12], [12, [], 14], undefined],
    )
    assert.deepEqual(taken[0]!.records[0]!.ref, { source: 'kafka:orders/1#2', offset: 5 })
    assert.equal(taken[0]!.source, 'kafka:orders/1')
    assert.ok(queue.empty)
    queue.push(fetched(15, [15]))
    assert.throws(() => queue.take(1), FatalError)
    queue.clear()
    queue.push(fetched(3, [3]))
    assert.equal(queue.take(1)?.next, 4)
  })

  it('keeps headers that come twice, and those without a value, which kafkajs gives as null', () => {
    const queue = new FetchedQueue(100)
    const headers = { twice: [Buffer.from('a'), 'b'], none: null, once: Buffer.from([0xff]) }
    queue.push(fetched(0, [], { messages: [message({ headers: headers as never })] }))
    const { envelope } = queue.take(1)!.records[0]!
    assert.deepEqual(
      envelope!.headers.map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
      [
        ['twice', 'a'],
        ['twice', 'b'],
        ['none', ''],
        ['once', '\xff'],
      ],
    )
  })
})
