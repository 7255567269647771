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
    { name: 'few users', size: undefined, numRuns: 100 },
    { name: 'a crowd', size: crowdSize, numRuns: 6 },
  ])
    it(`record by record, ${name}: changes, causes, probabilities, evidence, users, products`, () =>
      fc.assert(
        fc.asyncProperty(recordsArbitrary(size), settingsArbitrary, (records, config) =>
          agree(records, { store: 'memory', config }, { statesEvery: 1 }),
        ),
        { numRuns },
      ))

  it('record by record, 300 users on disk with memory for hardly any', () => {
    const records = randomRecords({ seed: 11, events: 1000, users: 300, products: 120 })
    return agree(records, { store: 'lmdb', policy: hardlyAnyMemory }, { statesEvery: 200 })
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
