// I3: the same records in the same order leave the same, whatever the batches, restarts, redeliveries and memory.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { SourceRecord } from '../../src/source/port.ts'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import { randomRecords } from '../oracle/random-records.ts'
import {
  type Driven,
  driveEncoded,
  hardlyAnyMemory,
  outcomeOf,
  type Rig,
  type RigOptions,
  withRig,
} from '../support/engine-harness.ts'
import { batchOf, encodeRecords, withBroken } from '../support/engine-records.ts'
import { settingsArbitrary } from '../support/engine-settings.ts'

const sampling = [
  { walks: 'sampled walks off', walksMax: 0 },
  { walks: 'sampled walks on', walksMax: 64 },
]

/** One turn of the consumer: how many records, how many before them come again, and whether it starts anew after. */
type Turn = { readonly size: number; readonly again: number; readonly restart: boolean }
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    size: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 60 })),
    again: fc.oneof(fc.constant(0), fc.nat({ max: 30 })),
    restart: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)

describe('I3 determinism', () => {
  for (const { walks, walksMax } of sampling) {
    it(`I3 batches, restarts, redeliveries and stores make no difference, ${walks}`, () =>
      fc.assert(
        fc.asyncProperty(
          fc.oneof(
            { weight: 4, arbitrary: recordsArbitrary() },
            { weight: 1, arbitrary: recordsArbitrary(crowdSize) },
          ),
          settingsArbitrary,
          turns,
          fc.array(fc.nat({ max: 1000 }), { maxLength: 7 }),
          async (drawn, settings, plan, broken) => {
            const records = withBroken(encodeRecords(drawn).records, broken)
            const config = { ...settings, walksMax }
            const alone = await driveEncoded(records, { store: 'memory', config, batchSize: 1 })
            assertSame(await driveEncoded(records, { store: 'memory', config, batchSize: 10_000 }), alone)
            assertSame(await driveByTurns(records, { store: 'memory', config }, plan), alone)
            assertSame(await driveByTurns(records, { store: 'lmdb', config }, plan), alone)
          },
        ),
        { numRuns: 30 },
      ))

    it(`I3 batches of 1, 7, 256 and 10,000 of a shop of 300 users, ${walks}`, async () => {
      const shop = { seed: 13, events: 1500, users: 300, products: 160, prototypeEvery: 25 }
      const { records } = encodeRecords(randomRecords(shop))
      const config = { walksMax }
      const expected = await driveEncoded(records, { store: 'memory', config, batchSize: 7 })
      if (walksMax > 0) assert.ok(sampledCount(expected) > 0, 'some answers are sampled')
      for (const batchSize of [1, 7, 256, 10_000])
        assertSame(await driveEncoded(records, { store: 'lmdb', config, batchSize }), expected)
      const policy = hardlyAnyMemory
      assertSame(await driveEncoded(records, { store: 'memory', config, batchSize: 1, policy }), expected)
      assertSame(await driveEncoded(records, { store: 'lmdb', config, batchSize: 256, policy }), expected)
      const plan = [40, 1, 250, 3].map((size, nth) => ({ size, again: nth * 20, restart: nth % 2 === 1 }))
      assertSame(await driveByTurns(records, { store: 'lmdb', config, policy }, plan), expected)
    })
  }
})

/** The plan's turns over and over, until nothing is left. */
async function driveByTurns(
  records: readonly SourceRecord[],
  options: RigOptions,
  plan: readonly Turn[],
): Promise<Omit<Driven, 'counts'>> {
  return withRig(options, async (rig) => {
    for (let nth = 0, next = 0; next < records.length; nth++) {
      const { size, again, restart } = plan[nth % plan.length]!
      rig.process(batchOf(records, Math.max(0, next - again), next + size))
      next += size
      if (again > 0) redeliver(rig, records, next)
      if (restart) await rig.restart()
    }
    return outcomeOf(rig)
  })
}

/** A batch that holds nothing new changes nothing. */
function redeliver(rig: Rig, records: readonly SourceRecord[], next: number): void {
  const before = rig.store.counters()
  const counts = rig.process(batchOf(records, 0, Math.min(next, 50)))
  assert.equal(counts.records, 0)
  assert.deepEqual(rig.store.counters(), before)
}

function assertSame(actual: Omit<Driven, 'counts'>, expected: Omit<Driven, 'counts'>): void {
  assert.deepEqual(actual.changes, expected.changes, 'change events')
  assert.deepEqual(actual.view, expected.view, 'users and products')
  assert.deepEqual(actual.quarantine, expected.quarantine, 'quarantine')
}

function sampledCount({ view }: Driven): number {
  return [...view.users.values()].filter(({ method }) => method === 'sampled').length
}
