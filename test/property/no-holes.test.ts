// I5 in this process: whatever throws inside a batch's transaction undoes all of it, and the batch applied again leaves
// what it would have left undisturbed. (Crashes of the whole process are the simulation's.)
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleRecord } from '../oracle/model.ts'
import { randomRecords } from '../oracle/random-records.ts'
import {
  changesOf,
  drive,
  hardlyAnyMemory,
  outcomeOf,
  type Rig,
  type RigOptions,
  withRig,
} from '../support/engine-harness.ts'
import { batchOf, encodeRecords } from '../support/engine-records.ts'
import { settingsArbitrary } from '../support/engine-settings.ts'
import { viewOf } from '../support/engine-view.ts'
import { Disturbance, disturbable, poisoned } from '../support/faults.ts'

/** One batch: its size, what disturbs it how often before it goes through, and what the consumer does then. */
type Turn = {
  readonly size: number
  readonly faults: readonly Fault[]
  /** Records before it that come again with it. */
  readonly again: number
}
type Fault = { readonly at: 'before' | 'after' | 'middle'; readonly nth: number; readonly restart: boolean }
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 40 }),
    faults: fc.array(
      fc.record({
        at: fc.constantFrom('before' as const, 'after' as const, 'middle' as const),
        nth: fc.nat({ max: 40 }),
        restart: fc.boolean(),
      }),
      { maxLength: 2 },
    ),
    again: fc.oneof(fc.constant(0), fc.nat({ max: 20 })),
  }),
  { minLength: 1, maxLength: 8 },
)

describe('I5 no holes, in process', () => {
  for (const { store, numRuns } of [
    { store: 'memory' as const, numRuns: 60 },
    { store: 'lmdb' as const, numRuns: 20 },
  ])
    it(`I5 a batch that throws leaves nothing, and the same when it is applied again, store: ${store}`, () =>
      fc.assert(
        fc.asyncProperty(
          recordsArbitrary(),
          settingsArbitrary,
          fc.constantFrom(0, 32),
          turns,
          async (records, settings, walksMax, plan) => {
            const config = { ...settings, walksMax }
            const { counts: _counts, ...expected } = await drive(records, {
              store: 'memory',
              config,
              batchSize: 20,
            })
            assert.deepEqual(await driveDisturbed(records, { store, config }, plan), expected)
          },
        ),
        { numRuns },
      ))

  it('I5 holds in a shop of 300 users of whom hardly any are in memory', async () => {
    const records = randomRecords({ seed: 15, events: 1200, users: 300, products: 120, prototypeEvery: 20 })
    const config = { walksMax: 32 }
    const { counts: _counts, ...expected } = await drive(records, { store: 'memory', config, batchSize: 100 })
    const plan = [30, 1, 120, 64].map((size, nth) => ({
      size,
      faults: [
        { at: 'middle' as const, nth: size - 1, restart: nth === 2 },
        { at: nth % 2 === 0 ? ('after' as const) : ('before' as const), nth: 0, restart: false },
      ],
      again: nth * 10,
    }))
    const options = { store: 'lmdb' as const, config, policy: hardlyAnyMemory }
    assert.deepEqual(await driveDisturbed(records, options, plan), expected)
  })
})

async function driveDisturbed(records: readonly OracleRecord[], options: RigOptions, plan: readonly Turn[]) {
  const encoded = encodeRecords(records).records
  const faulty = disturbable()
  return withRig({ ...options, wrap: faulty.wrap }, async (rig) => {
    for (let turn = 0, next = 0; next < encoded.length; turn++) {
      const { size, faults, again } = plan[turn % plan.length]!
      const from = Math.max(0, next - again)
      for (const { at, nth, restart } of faults) {
        const inBatch = next + (nth % Math.min(size, encoded.length - next))
        const disturbed = at === 'middle' ? poisoned(encoded, inBatch) : encoded
        if (at !== 'middle') faulty.disturb(at)
        assertUndone(rig, () => rig.process(batchOf(disturbed, from, next + size)))
        if (restart) await rig.restart()
      }
      rig.process(batchOf(encoded, from, next + size))
      next += size
    }
    return outcomeOf(rig)
  })
}

/** It throws what was planted, and the store is as it was. */
function assertUndone({ store }: Rig, process: () => unknown): void {
  const stateOf = () => [
    store.counters(),
    store.watermarks(),
    [...store.journal()],
    changesOf(store),
    viewOf(store),
  ]
  const before = stateOf()
  assert.throws(process, Disturbance)
  assert.deepEqual(stateOf(), before, 'nothing is left of a batch that threw')
}
