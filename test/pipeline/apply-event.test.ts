// One event: what a duplicate leaves alone, in which order an event is blocked, known or refused, and tried again after.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { netQuantityMax } from '../../src/core/limits.ts'
import { type Rig, withRig } from '../support/engine-harness.ts'
import { type Bytes, controlBytes, eraseBytes, recordAt } from '../support/engine-records.ts'
import { viewOf } from '../support/engine-view.ts'
import { eventOf } from '../support/events.ts'

const stores = ['memory', 'lmdb'] as const

describe('a duplicate', () => {
  for (const store of stores)
    it(`changes nothing, stream time neither, whatever else it says (${store})`, () =>
      fc.assert(
        fc.asyncProperty(
          fc.record(
            {
              user_id: fc.constantFrom('ann', 'ben', 'new'),
              product_id: fc.constantFrom('tea', 'new'),
              type: fc.constantFrom('purchase', 'return', 'view', 'cart', 'review'),
              quantity: fc.integer({ min: 1, max: 1e9 }),
              ts: fc.constantFrom('1970-01-01', '2025-01-01T00:00:00Z', '2099-12-31'),
              title: fc.string({ maxLength: 5 }),
            },
            { requiredKeys: [] },
          ),
          (fields) =>
            withRig({ store }, (rig) => {
              process(rig, [
                json({ user_id: 'ann', product_id: 'tea' }),
                json({ event_id: 'b', user_id: 'ben' }),
              ])
              const before = { ...rig.store.counters() }
              const view = viewOf(rig.store)
              const { applied, duplicates, quarantined } = process(rig, [json(fields)])
              assert.deepEqual([applied, duplicates, quarantined], [0, 1, 0])
              assert.deepEqual(rig.store.counters(), { ...before, position: before.position + 1 })
              assert.deepEqual(viewOf(rig.store), view)
            }),
        ),
        { numRuns: store === 'memory' ? 100 : 20 },
      ))

  it('of an erased user is blocked where a rewind brings it again, and a duplicate at a later place', () =>
    withRig({ store: 'memory' }, (rig) => {
      const event = json({ user_id: 'ann' })
      process(rig, [event, eraseBytes('ann')])
      const later = process(rig, [event])
      assert.deepEqual([later.blocked, later.duplicates], [0, 1])
      rig.store.transact((tx) => tx.setWatermark('log', 0))
      const rewound = process(rig, [event])
      assert.deepEqual([rewound.blocked, rewound.duplicates], [1, 0])
      assert.equal(rig.store.userIndexOf('ann'), undefined)
    }))
})

describe('a refused event', () => {
  for (const store of stores)
    it(`is not remembered: it is applied when it is tried again and fits (${store})`, () =>
      withRig({ store }, (rig) => {
        process(rig, [json({ event_id: 'first' })])
        rig.store.transact((tx) => {
          const [user, product] = [tx.userIndexOf('u')!, tx.productIndexOf('p')!]
          tx.putEdge(user, product, { ...tx.edge(user, product)!, net: netQuantityMax }, 1000)
        })
        const refused = json({ event_id: 'refused', ts: '2030-01-01' })
        assert.equal(process(rig, [refused]).quarantined, 1)
        assert.ok(rig.store.counters().streamTs < Date.UTC(2030, 0, 1), 'its time is not that of the stream')
        assert.equal(process(rig, [json({ event_id: 'back', type: 'return' })]).applied, 1)
        const [{ id } = { id: -1 }] = rig.store.quarantinedRecords(0, 1)
        const requeue = controlBytes({ kind: 'requeue', quarantineIds: [id] })
        assert.equal(process(rig, [requeue]).applied, 1)
        assert.equal(rig.store.counters().quarantined, 0)
        assert.equal(process(rig, [refused]).duplicates, 1, 'and it is remembered then')
      }))
})

function json(fields: Record<string, unknown>): Bytes {
  return { text: JSON.stringify(eventOf(fields)), format: { kind: 'json' } }
}

/** The next records of the rig's log, as one batch. */
function process(rig: Rig, records: readonly Bytes[]) {
  const from = rig.store.watermark('log')
  const batch = records.map((record, nth) => recordAt(from + nth, record))
  return rig.process({ source: 'log', records: batch, next: from + batch.length })
}
