// I6: a reader of the change events alone ends up with what the engine holds.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleRecord } from '../oracle/model.ts'
import { randomRecords } from '../oracle/random-records.ts'
import { checkFold } from '../support/engine-checks.ts'
import { drive, type RigOptions } from '../support/engine-harness.ts'
import { encodeRecords } from '../support/engine-records.ts'
import { settingsArbitrary } from '../support/engine-settings.ts'

describe('I6 fold', () => {
  for (const walksMax of [0, 64])
    it(`I6 folding change events gives held set, primary, status and sequence, walksMax ${walksMax}`, () =>
      fc.assert(
        fc.asyncProperty(
          recordsArbitrary(),
          settingsArbitrary,
          fc.integer({ min: 1, max: 130 }),
          async (records, config, batchSize) => {
            await assertFolds(records, { store: 'memory', config: { ...config, walksMax }, batchSize })
          },
        ),
        { numRuns: 150 },
      ))

  it('I6 holds in a shop of 300 users, some of them sampled', async () => {
    const records = randomRecords({ seed: 14, events: 4000, users: 300, products: 160, prototypeEvery: 25 })
    const folded = await assertFolds(records, { store: 'lmdb', config: { walksMax: 64 }, batchSize: 256 })
    assert.ok(folded > 100, `${folded} users with change events`)
  })
})

async function assertFolds(
  records: readonly OracleRecord[],
  options: RigOptions & { batchSize: number },
): Promise<number> {
  const { changes, view } = await drive(records, options)
  const { positions } = encodeRecords(records)
  return checkFold({ records, positions, changes, view })
}
