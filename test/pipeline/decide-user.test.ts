// Deciding one user: a walk that lands nowhere decides nothing, however little landing mass is asked for.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { changesOf, type Rig, withRig } from '../support/engine-harness.ts'
import { type Bytes, controlBytes, importControl, recordAt } from '../support/engine-records.ts'
import { eventOf } from '../support/events.ts'

describe('with no landing mass and no floor asked for', () => {
  for (const walksMax of [0, 64])
    it(`a user whose walk lands nowhere is unknown and holds nothing (${walksMax} longer walks)`, () =>
      withRig({ store: 'memory', config: { landingMassMin: 0, enterFloor: 0, walksMax } }, (rig) => {
        process(rig, [
          controlBytes(importControl({ kind: 'import', labels: [{ user_id: 'pat', personas: ['A', 'B'] }] })),
          controlBytes({ kind: 'switch', version: 1 }),
          bought('pat', 'tea'),
          bought('ann', 'milk'),
          bought('ben', 'milk'),
          bought('cat', 'rye'),
          bought('cat', 'tea'),
          bought('dan', 'rye'),
        ])
        assert.deepEqual(answerOf(rig, 'ann'), ['unknown', 'none', []], 'only to milk, and from it to ben')
        assert.deepEqual(answerOf(rig, 'cat'), ['inferred', 'exact', [0, 1]])
        const dan = walksMax === 0 ? ['unknown', 'none', []] : ['inferred', 'sampled', [0, 1]]
        assert.deepEqual(answerOf(rig, 'dan'), dan, 'by rye and cat to tea')
        for (const json of changesOf(rig.store))
          for (const { probability } of (JSON.parse(json) as ChangeEvent).personas)
            assert.ok(probability > 0 && probability <= 1, json)
        assert.ok(!changesOf(rig.store).some((json) => json.includes('"ann"')), 'nothing changed for ann')
      }))
})

function answerOf({ store }: Rig, userId: string): unknown[] {
  const { status, method, held, scores } = store.user(store.userIndexOf(userId)!)!
  assert.ok(scores.every((score) => Number.isFinite(score)))
  return [status, method, held.map(({ persona }) => persona)]
}

let events = 0

function bought(user_id: string, product_id: string): Bytes {
  const event = eventOf({ event_id: `e${events++}`, user_id, product_id })
  return { text: JSON.stringify(event), format: { kind: 'json' } }
}

/** The records as the rig's log, one batch. */
function process(rig: Rig, records: readonly Bytes[]): void {
  rig.process({
    source: 'log',
    records: records.map((record, nth) => recordAt(nth, record)),
    next: records.length,
  })
}
