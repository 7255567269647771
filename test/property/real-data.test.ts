// The real year of Online Retail, every tenth label a prototype: I1, I2, I3 and I6 at the size of a small shop.
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { labelsOfSet } from '../../src/cli/evaluate.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { importOf } from '../../src/codec/prototypes.ts'
import { evaluate } from '../../src/evaluation/evaluate.ts'
import { liveQuality } from '../../src/evaluation/live.ts'
import { readLabelled } from '../../src/pipeline/labelled.ts'
import { batch } from '../oracle/batch.ts'
import { foldEdges } from '../oracle/edges.ts'
import type { OracleRecord } from '../oracle/model.ts'
import { foldPrototypes } from '../oracle/prototypes.ts'
import { problemsOf } from '../support/calibrated.ts'
import { checkFold, checkFreshness, checkScores } from '../support/engine-checks.ts'
import {
  applyAll,
  type Driven,
  drive,
  oracleConfigOf,
  outcomeOf,
  type Rig,
  withRig,
} from '../support/engine-harness.ts'
import { encodeRecords } from '../support/engine-records.ts'
import { realLabels, realYear, skipRealData } from '../support/real-data.ts'

describe('a real year', { skip: skipRealData }, () => {
  let records: OracleRecord[]
  before(() => {
    const { events, prototypes } = realYear()
    records = [prototypes, ...events]
  })

  it('I3 its first 20,000 events leave the same at batches of 1, 7, 256 and 10,000', async () => {
    const first = records.slice(0, 20_001)
    const expected = await drive(first, { store: 'lmdb', batchSize: 10_000 })
    assert.equal(expected.counts.applied, 20_000)
    for (const { batchSize, store } of [
      { batchSize: 1, store: 'memory' as const },
      { batchSize: 7, store: 'memory' as const },
      { batchSize: 256, store: 'lmdb' as const },
    ]) {
      const { changes, view } = await drive(first, { store, batchSize })
      assert.deepEqual(changes, expected.changes, `change events at ${batchSize}`)
      assert.deepEqual(view, expected.view, `users and products at ${batchSize}`)
    }
  })

  it('all of it: nothing quarantined; W, B and M exact; I1, I2 at half way and end; I6; and how right it is', () =>
    withRig({ store: 'lmdb' }, (rig) => {
      const half = Math.floor(records.length / 2)
      const { records: encoded, positions } = encodeRecords(records)
      const counts = applyAll(rig, encoded.slice(0, half + 1), 4096)
      checkAgainstBatch(rig, records.slice(0, half), 1500)
      const rest = applyAll(rig, encoded, 4096)
      assert.equal(counts.applied + rest.applied, 406_829)
      assert.equal(counts.quarantined + counts.duplicates + rest.quarantined + rest.duplicates, 0)
      checkAgainstBatch(rig, records, 3500)
      const { changes, view } = outcomeOf(rig)
      assert.ok(checkFold({ records, positions, changes, view }) > 4000)
      assertNoGaps({ changes, view })
      assert.deepEqual(problemsOf(rig.store, {}), [], 'verify')
      assert.ok(rig.store.counters().epochs > 10, 'probabilities were fitted as evidence grew')
      checkTruth(rig)
    }))
})

/** I1, I2, W, B and M of the final edges, computed as a batch job would. */
function checkAgainstBatch(rig: Rig, records: readonly OracleRecord[], hotMin: number): void {
  const { edges, products } = foldEdges(records)
  const set = foldPrototypes(records)
  const config = oracleConfigOf(rig.policy)
  const oracle = { edges, set, config }
  assert.ok(checkScores({ rig, oracle }).hot > hotMin, 'scores in memory were looked at')
  checkFreshness({ rig, oracle })
  const { weights } = batch({ ...oracle, products })
  const { users, products: productCount } = rig.store.counters()
  assert.equal(productCount, products.size)
  assert.equal(users, new Set([...weights.keys(), ...set.shares.keys()]).size)
}

/** What quality must be, four seeds, thresholds from prototypes alone; ahead of the baselines seed by seed. */
function checkTruth(rig: Rig): void {
  const set = importOf(realLabels())
  const graph = readLabelled(rig.store, {
    labels: labelsOfSet(set, rig.store),
    personas: set.personas.map(({ name }) => name),
    repeat: 'once',
  })
  const { kappa, decision } = rig.policy
  const { walk, kindred, ahead, content_seeds } = evaluate(graph, {
    share: 0.1,
    seeds: [1, 2, 3, 4],
    policy: { kappa, landingMassMin: decision.landingMassMin },
  })
  assert.equal(content_seeds, 4, 'words are read')
  assert.ok(walk.micro_f1 >= 0.71 && walk.macro_auc >= 0.76 && walk.ece <= 0.03, JSON.stringify(walk))
  assert.ok(
    kindred.micro_f1 >= 0.73 && kindred.macro_auc >= 0.8 && kindred.ece <= 0.03,
    JSON.stringify(kindred),
  )
  for (const name of ['prior', 'gplr', 'jaccard'] as const)
    assert.deepEqual([ahead[name].seeds_ahead_f1, ahead[name].seeds_ahead_auc], [4, 4], name)
  const live = liveQuality(rig.store, {
    labels: labelsOfSet(set, rig.store),
    personas: set.personas.map(({ name }) => name),
  })!
  assert.ok(live.micro_f1 >= 0.71 && live.macro_auc >= 0.78 && live.ece <= 0.04, JSON.stringify(live))
}

function assertNoGaps({ changes, view }: Pick<Driven, 'changes' | 'view'>): void {
  const sequences = new Map<string, number[]>()
  for (const line of changes) {
    const { user_id, sequence } = JSON.parse(line) as ChangeEvent
    sequences.set(user_id, [...(sequences.get(user_id) ?? []), sequence])
  }
  for (const [user, found] of sequences) {
    found.sort((a, b) => a - b)
    assert.deepEqual(
      found,
      found.map((_, nth) => nth + 1),
      `sequences of ${user}`,
    )
    assert.equal(view.users.get(user)!.sequence, found.length)
  }
}
