// I1 and I2 after every record: scores are the walk over published vectors to the last bit, and those are fresh enough.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleRecord } from '../oracle/model.ts'
import { randomRecords } from '../oracle/random-records.ts'
import { checkFreshness, checkRowsWritten, checkScores } from '../support/engine-checks.ts'
import { hardlyAnyMemory, type RigOptions } from '../support/engine-harness.ts'
import { settingsArbitrary } from '../support/engine-settings.ts'
import { driveSteps, type Step } from '../support/engine-steps.ts'

const sizes = [
  { name: 'few users', size: undefined, numRuns: 70 },
  { name: 'a crowd', size: crowdSize, numRuns: 6 },
]
const shop = randomRecords({ seed: 12, events: 1000, users: 300, products: 120 })

describe('I1 exact given published', () => {
  for (const { name, size, numRuns } of sizes)
    it(`I1 every score and W equals the walk over published vectors, ${name}`, () =>
      fc.assert(
        fc.asyncProperty(recordsArbitrary(size), settingsArbitrary, async (records, config) => {
          await driveSteps(records, { store: 'memory', config }, { after: checkScores })
        }),
        { numRuns },
      ))

  it('I1 rows hold the very scores once they are written', () =>
    fc.assert(
      fc.asyncProperty(recordsArbitrary(), settingsArbitrary, async (records, config) => {
        await driveSteps(records, { store: 'memory', config }, { after: checkRowsWritten })
      }),
      { numRuns: 50 },
    ))

  for (const store of ['memory', 'lmdb'] as const)
    it(`I1 holds where hardly any of 300 users are in memory, store: ${store}`, async () => {
      let hot = 0
      await every(50, { store, policy: hardlyAnyMemory }, (step) => {
        hot += checkScores(step).hot
        checkRowsWritten(step)
      })
      assert.ok(hot > 0, 'some were hot')
    })
})

describe('I2 freshness', () => {
  for (const { name, size, numRuns } of sizes)
    it(`I2 every product within delta · rho, every q within 2 · delta / (1 − delta), ${name}`, () =>
      fc.assert(
        fc.asyncProperty(recordsArbitrary(size), settingsArbitrary, async (records, config) => {
          await driveSteps(records, { store: 'memory', config }, { after: checkFreshness })
        }),
        { numRuns },
      ))

  it('I2 holds in a shop of 300 users', () => every(50, { store: 'lmdb' }, checkFreshness))
})

function every(nth: number, options: RigOptions, check: (step: Step) => void): Promise<void> {
  const last = (records: readonly OracleRecord[]) => records.length - 1
  return driveSteps(shop, options, {
    after: (step) => {
      if (step.position % nth === 0 || step.position === last(shop)) check(step)
    },
  })
}
