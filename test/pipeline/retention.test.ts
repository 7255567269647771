// Retention: a change goes once every sink has been handed it, also one that is idle and may be about to begin.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { importOf, parseLabels } from '../../src/codec/prototypes.ts'
import { Consumer } from '../../src/pipeline/consume.ts'
import type { OutboxRow, Sink } from '../../src/sink/port.ts'
import { withRig } from '../support/engine-harness.ts'
import { controlBytes } from '../support/engine-records.ts'
import { memoryLog } from '../support/memory-log.ts'
import { smallShop } from '../support/shop-files.ts'

/** Steps between two rounds of retention, and some. */
const aRound = 40

/** A sink without subscribers, whose first delivery goes on until it is let go. */
function idleSink() {
  let letGo: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const handed: number[] = []
  const sink: Sink & { next: number } = {
    name: 'idle',
    idle: true,
    next: 0,
    async deliver(rows: readonly OutboxRow[]) {
      await held
      for (const { number } of rows) handed.push(number)
      sink.next = rows.at(-1)!.number + 1
    },
    close: async () => undefined,
  }
  return { sink, handed, letGo }
}

describe('retention of changes', () => {
  it('keeps what an idle sink was not handed, and drops it afterwards', () =>
    withRig({ store: 'memory' }, async ({ store, engine }) => {
      const shop = smallShop({ seed: 5, shoppers: 60 })
      const log = memoryLog()
      const set = importOf(parseLabels(shop.prototypes.join('\n'), 'prototypes'))
      log.append(controlBytes({ kind: 'import', set }))
      const { sink, handed, letGo } = idleSink()
      const consumer = new Consumer({
        store,
        engine,
        log,
        sinks: [sink],
        batchSize: 1,
        logRetention: 0,
        changesRetention: 0,
        journalRetention: 1000,
        relayBacklogMax: 1_000_000,
      })
      while (await consumer.step()); // labels first: changes come one by one then
      for (const text of shop.events) log.append({ text, format: { kind: 'json' } })
      const oldest = () => store.changes(0, 1)[0]?.number
      while (oldest() === undefined) assert.ok(await consumer.step())
      for (let n = 0; n < aRound; n++) assert.ok(await consumer.step())
      assert.equal(oldest(), 0)
      letGo()
      await consumer.drain()
      await consumer.checkpoint()
      const { changes } = store.counters()
      assert.ok(changes > aRound)
      assert.deepEqual(
        handed,
        Array.from({ length: changes }, (_, number) => number),
      )
      assert.equal(oldest(), undefined)
      assert.deepEqual(store.sinkCursors(), [])
    }))
})
