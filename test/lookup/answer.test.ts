// What an unknown user is told: how many purchases are lacking, as far as prototypes' purchases say.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Epoch } from '../../src/core/epoch.ts'
import { publishedOne } from '../../src/core/limits.ts'
import { answerOf } from '../../src/lookup/answer.ts'
import { PersonaNames } from '../../src/lookup/names.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import { userRow, versionOf } from '../contract/store-fixtures.ts'

function namesWith(landingPerPurchase: number): PersonaNames {
  const store = openMemoryStore({ dedupeHorizon: 10 })
  const epoch: Epoch = {
    epoch: 1,
    version: 1,
    cause: 'evidence',
    position: 0,
    prototypes: 50,
    edges: 500,
    evidence: 'walk',
    calibration: { base: new Float64Array(3), coefficients: new Float64Array(18), enter: 0.5 },
    exit: 0.4,
    head: 0,
    headEdges: 0,
    landingPerPurchase,
    landingMassMin: 0.05,
  }
  store.transact((tx) => {
    tx.putVersion(versionOf(1))
    tx.putEpoch(epoch)
  })
  return new PersonaNames(store)
}

/** An unknown user with `purchases`, of which the walk lands with `landed` purchases' worth in all. */
const unknown = (purchases: number, landed: number, epoch = 1) =>
  userRow('u', {
    version: 1,
    epoch,
    weight: purchases * 1000,
    scoreWeight: purchases * 1000,
    scores: Float64Array.from([landed * 1000 * publishedOne, 0, 0]),
    probabilities: new Float64Array(epoch === 0 ? 0 : 3),
  })

const needed = (row: ReturnType<typeof unknown>, landingPerPurchase = 0.65) =>
  answerOf(row, namesWith(landingPerPurchase)).purchases_needed

describe('purchases that an unknown user lacks', () => {
  it('are as many of the usual kind as make the walk land', () => {
    assert.equal(needed(unknown(0, 0)), 1)
    assert.equal(needed(unknown(12, 0)), 1) // 12 at nothing and 1 at .65: exactly .05
    assert.equal(needed(unknown(13, 0)), 2)
    assert.equal(needed(unknown(120, 0)), 10)
    assert.equal(needed(unknown(120, 3)), 5)
  })

  it('are not guessed at where purchases do not land either, or nothing was fitted yet', () => {
    assert.equal(needed(unknown(3, 0), 0.05), null)
    assert.equal(needed(unknown(3, 0, 0)), null)
    assert.equal(needed(unknown(0, 0, 0)), 1)
  })

  it('are told of unknown users alone', () => {
    const answer = answerOf({ ...unknown(3, 1), status: 'inferred' }, namesWith(0.65))
    assert.ok(!('purchases_needed' in answer) && !('missing' in answer))
  })
})
