// X(u) in memory: whatever epochs come and go, what is read is the sum over the edges.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { UserIndex } from '../../src/core/ids.ts'
import { Calibrated } from '../../src/pipeline/calibrated.ts'
import type { Engine } from '../../src/pipeline/engine.ts'
import { contentOf } from '../../src/pipeline/odds.ts'
import { heat } from '../../src/pipeline/run.ts'
import { randomRecords } from '../oracle/random-records.ts'
import { withTitles } from '../support/calibrated.ts'
import { type Rig, withRig } from '../support/engine-harness.ts'
import { batchOf, encodeRecords } from '../support/engine-records.ts'

/** X(u) of everybody who has one, as the engine has it in memory. */
function contents({ engine, store }: Rig): Map<UserIndex, number[]> {
  const all = new Map<UserIndex, number[]>()
  store.transact((tx) => {
    for (const user of tx.users()) {
      if (engine.active.labels.has(user)) continue
      const row = contentOf({ engine, tx }, heat({ engine, tx }, user), engine.calibrated!)
      if (row !== undefined)
        all.set(user, [...row.values.subarray(row.offset, row.offset + engine.users.personas)])
    }
  })
  return all
}

/** The running epoch as if the prototypes had said that words do not help, or that they do. */
function withEvidence({ engine, store }: Rig, evidence: 'walk' | 'both'): Engine['calibrated'] {
  const { epoch, policy } = engine.calibrated!
  const { prior, carried } = policy
  return new Calibrated(
    { ...epoch, evidence },
    { model: store.contentFit(epoch.head)!.model, prior, carried },
  )
}

describe('content sums in memory', () => {
  it('are not taken for those of now after an epoch that read no words, when edges changed meanwhile', () =>
    withRig({ store: 'memory', config: { calibrationMin: 5, sweepUsers: 0 } }, async (rig) => {
      const shop = { seed: 6, events: 700, users: 60, products: 40, prototypeEvery: 6 }
      const { records } = encodeRecords(withTitles(randomRecords(shop)))
      const half = Math.floor(records.length * 0.5)
      rig.process(batchOf(records, 0, half))
      rig.engine.calibrated = withEvidence(rig, 'both')
      const before = contents(rig)
      rig.engine.calibrated = withEvidence(rig, 'walk')
      rig.process(batchOf(records, half, half + 40))
      rig.engine.calibrated = withEvidence(rig, 'both')
      const after = contents(rig)
      await rig.restart()
      rig.engine.calibrated = withEvidence(rig, 'both')
      assert.deepEqual(after, contents(rig), 'what a new engine reads from the edges')
      assert.notDeepEqual(after, before, 'edges did change')
    }))
})
