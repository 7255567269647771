// The engine against the independently written reference model: what every record does, and what is left at the end.
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleRecord } from '../oracle/model.ts'
import { randomRecords } from '../oracle/random-records.ts'
import {
  checkCauses,
  checkChanges,
  checkEvidence,
  checkProbabilities,
  checkState,
} from '../support/engine-checks.ts'
import { hardlyAnyMemory, type RigOptions } from '../support/engine-harness.ts'
import { settingsArbitrary } from '../support/engine-settings.ts'
import { driveSteps } from '../support/engine-steps.ts'

describe('agreement with the reference model', () => {
  for (const { name, size, numRuns } of [
    { name: 'few users', size: undefined, numRuns: 150 },
    { name: 'a crowd', size: crowdSize, numRuns: 8 },
  ])
    it(`record by record, ${name}: changes, causes, probabilities, evidence, users, products`, () =>
      fc.assert(
        fc.asyncProperty(recordsArbitrary(size), settingsArbitrary, (records, config) =>
          agree(records, { store: 'memory', config }, { statesEvery: 1 }),
        ),
        { numRuns },
      ))

  it('in a shop of 300 users, from memory and from disk, with room for all and for hardly any', async () => {
    const records = randomRecords({ seed: 11, events: 2500, users: 300, products: 120 })
    await agree(records, { store: 'memory' }, { statesEvery: 500 })
    await agree(records, { store: 'memory', policy: hardlyAnyMemory }, { statesEvery: 500 })
    await agree(records, { store: 'lmdb', policy: hardlyAnyMemory }, { statesEvery: 500 })
  })
})

async function agree(
  records: readonly OracleRecord[],
  options: RigOptions,
  { statesEvery }: { statesEvery: number },
): Promise<void> {
  await driveSteps(records, options, {
    after: (step) => {
      checkChanges(step)
      checkCauses(step)
      checkProbabilities(step)
      checkEvidence(step)
      if (step.position % statesEvery === 0 || step.position === records.length - 1)
        checkState(step.rig.store, step.oracle)
    },
  })
}
