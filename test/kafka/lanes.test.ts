// Which lane a change goes out in, whatever Kafka tells of its partitions meanwhile. Needs no broker.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Partition } from '../../src/kafka/names.ts'
import type { Report } from '../../src/kafka/report.ts'
import type { Delivery, Lane } from '../../src/sink/kafka-delivery.ts'
import { Outlet } from '../../src/sink/kafka-outlet.ts'
import { KafkaSink } from '../../src/sink/kafka-sink.ts'
import type { ChangeRow } from '../../src/store/port.ts'

const orders: readonly Partition[] = [0, 1].map((partition) => ({ topic: 'orders', partition }))
const returns: Partition = { topic: 'returns', partition: 0 }

function change(number: number, from: Partition): ChangeRow {
  const json = JSON.stringify({
    event_id: `pc_${number}`,
    user_id: `u${number}`,
    cause: { source: `kafka:${from.topic}/${from.partition}` },
    entered: [],
    exited: [],
  })
  return { number, json } as ChangeRow
}

/** A sink whose directory tells `looks` in turn, the last of them for good; what went out, by lane; what was complained of. */
function sinkOf({ looks, goneMs }: { looks: readonly (readonly Partition[])[]; goneMs: number }) {
  const sent: [string, number][] = []
  const problems: string[] = []
  const asked: (readonly string[])[] = []
  const delivery: Delivery = {
    open: async () => new Map(),
    send: async ({ id }: Lane, messages) => {
      for (const { messages: all } of messages)
        for (const { key } of all) sent.push([id, Number(String(key).slice(1))])
    },
    close: async () => {},
  }
  const report: Report = {
    log: () => {},
    debug: () => {},
    starting: () => {},
    problem: (_name, problem) => {
      if (problem !== undefined) problems.push(problem)
    },
  }
  const look = () => looks[Math.min(asked.length, looks.length) - 1]!
  const sink = new KafkaSink({
    group: 'g',
    changesTopic: 'changes',
    personasTopic: '',
    outlet: new Outlet({ name: 'changes', delivery, mayEmit: () => true, report }),
    next: 0,
    partitions: {
      lately: async () => orders.slice(0, 1),
      now: async (topics) => {
        asked.push(topics)
        return look()
      },
    },
    goneMs,
    messages: async () => ({ source: '/kindred/g', schemas: undefined }),
  })
  return { sink, sent, problems, asked }
}

describe('lanes of changes', () => {
  it('are waited for while Kafka does not tell of a partition', async () => {
    const { sink, sent, problems, asked } = sinkOf({ looks: [[], [], orders], goneMs: 60_000 })
    await sink.deliver([change(0, orders[0]!), change(1, orders[1]!)])
    assert.deepEqual(sent, [
      ['g-orders-0', 0],
      ['g-orders-1', 1],
    ])
    assert.equal(asked.length, 3)
    assert.deepEqual(
      new Set(problems),
      new Set(['Kafka does not tell of orders/0, which caused changes that are to be sent']),
    )
  })

  it('are those of their topic although it is not consumed any more', async () => {
    const { sink, sent, asked } = sinkOf({ looks: [[...orders, returns]], goneMs: 60_000 })
    await sink.deliver([change(0, returns)])
    assert.deepEqual(sent, [['g-returns-0', 0]])
    assert.deepEqual(asked, [['returns']])
  })

  it('are one of their own for a topic that is gone', async () => {
    const { sink, sent, problems } = sinkOf({ looks: [orders], goneMs: 150 })
    const began = performance.now()
    await sink.deliver([change(0, returns), change(1, orders[1]!)])
    assert.ok(performance.now() - began >= 150, 'it was looked for')
    assert.deepEqual(sent.sort(), [
      ['g-control', 0],
      ['g-orders-1', 1],
    ])
    const complaints = problems.length
    assert.ok(complaints > 0)
    await sink.deliver([change(2, orders[0]!)])
    await sink.deliver([change(3, returns)])
    assert.deepEqual(sent.at(-1), ['g-control', 3])
    assert.equal(
      problems.length,
      complaints,
      'it stays gone, also when nothing of it was to be sent meanwhile',
    )
  })
})
