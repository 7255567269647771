// Probabilities in the stream: epochs at positions that the records alone say, sums repaired like scores, a sweep that gives
// everybody one change at most a record; the same whatever the batches, restarts, memory and stores.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import type { Config } from '../../src/config.ts'
import type { SourceRecord } from '../../src/source/port.ts'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleRecord } from '../oracle/model.ts'
import { randomRecords } from '../oracle/random-records.ts'
import { calibratedSettings, exportedUsers, problemsOf, withTitles } from '../support/calibrated.ts'
import { changesOf, hardlyAnyMemory, type Rig, type RigOptions, withRig } from '../support/engine-harness.ts'
import { batchOf, controlBytes, encodeRecords, recordAt } from '../support/engine-records.ts'

type Left = { users: string[]; changes: string[]; epochs: number; problems: string[] }

/** Applies the records in batches of these sizes in turn, starting anew after each third one, and reads what is left. */
function left(
  records: readonly SourceRecord[],
  {
    config,
    sizes,
    restarts,
    ...options
  }: RigOptions & { config: Partial<Config>; sizes: number[]; restarts: boolean },
): Promise<Left> {
  return withRig({ ...options, config }, async (rig) => {
    for (let next = 0, turn = 0; next < records.length; turn++) {
      const size = sizes[turn % sizes.length]!
      rig.process(batchOf(records, Math.max(0, next - 2), next + size))
      next += size
      if (restarts && turn % 3 === 2) await rig.restart()
    }
    return leftIn(rig, config)
  })
}

function leftIn(rig: Rig, config: Partial<Config>): Left {
  rig.checkpoint()
  return {
    users: exportedUsers(rig.store, config),
    changes: changesOf(rig.store).sort(),
    epochs: rig.store.counters().epochs,
    problems: problemsOf(rig.store, config),
  }
}

/** Records with titles, and `calibrate` at these places (thousandths). */
function encoded(records: readonly OracleRecord[], places: readonly number[]): SourceRecord[] {
  const all = [...encodeRecords(withTitles(records)).records.map(({ text, format }) => ({ text, format }))]
  for (const place of places)
    all.splice(Math.floor((place * all.length) / 1000), 0, controlBytes({ kind: 'calibrate' }))
  return all.map((bytes, offset) => recordAt(offset, bytes))
}

/** Sequences that found something once: probabilities of an epoch that a row was written after, texts of two fits ago. */
const foundSeeds = [-1277734463]

const shops = [
  {
    name: 'fits by growth, a sweep that ends',
    config: { calibrationMin: 10, sweepUsers: 2, walksMax: 64 },
    prototypeEvery: 12,
    fits: 4,
  },
  {
    name: 'many re-walks of who was decided before a fit',
    config: { calibrationMin: 10, sweepUsers: 1, delta: 0.001 },
    prototypeEvery: 4,
    fits: 2,
  },
]

describe('calibration in the stream', () => {
  for (const seed of [undefined, ...foundSeeds])
    it(`I1, I3, I6: the same exports and changes however it is cut, sound, and folded to the answers${seed === undefined ? '' : `, seed ${seed}`}`, async () => {
      let fits = 0
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            { weight: 3, arbitrary: recordsArbitrary() },
            { weight: 1, arbitrary: recordsArbitrary(crowdSize) },
          ),
          calibratedSettings,
          fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
          fc.array(fc.nat({ max: 1000 }), { maxLength: 2 }),
          async (drawn, config, sizes, places) => {
            const records = encoded(drawn, places)
            const alone = await left(records, { store: 'memory', config, sizes: [1], restarts: false })
            fits += alone.epochs
            assert.deepEqual(alone.problems, [])
            assertFolds(alone)
            assert.deepEqual(
              await left(records, {
                store: 'memory',
                config,
                sizes,
                restarts: true,
                policy: hardlyAnyMemory,
              }),
              alone,
            )
            assert.deepEqual(await left(records, { store: 'lmdb', config, sizes, restarts: true }), alone)
          },
        ),
        { numRuns: 30, ...(seed !== undefined && { seed }) },
      )
      assert.ok(fits > 30, `${fits} fits in all`)
    })

  for (const { name, config, prototypeEvery, fits } of shops)
    it(`a shop of 300 users in memory for hardly any of them, ${name}`, async () => {
      const shop = { seed: 21, events: 1600, users: 300, products: 120, prototypeEvery }
      const records = encoded(randomRecords(shop), [])
      const expected = await left(records, { store: 'memory', config, sizes: [7], restarts: false })
      assert.ok(expected.epochs >= fits, `${expected.epochs} fits`)
      assert.deepEqual(expected.problems, [])
      assertFolds(expected)
      for (const store of ['memory', 'lmdb'] as const)
        assert.deepEqual(
          await left(records, {
            store,
            config,
            sizes: [256, 1, 40],
            restarts: true,
            policy: hardlyAnyMemory,
          }),
          expected,
        )
    })

  it('rows are sound at any time, also of who bought again what they had before the sweep came to them', async () => {
    const config = { calibrationMin: 10, sweepUsers: 1, delta: 0.2, contentHead: 'off' as const }
    const shop = { seed: 21, events: 1600, users: 300, products: 60, prototypeEvery: 4 }
    const records = encoded(randomRecords(shop), [])
    await withRig({ store: 'memory', config, policy: hardlyAnyMemory }, (rig) => {
      for (let next = 0; next < records.length; next++) {
        rig.process(batchOf(records, next, next + 1))
        const { sweepNext, sweepEnd } = rig.store.counters()
        if (sweepNext === sweepEnd || next % 3 !== 0) continue
        rig.checkpoint()
        assert.deepEqual(problemsOf(rig.store, config), [], `after ${next + 1}`)
      }
    })
  })

  it('a sweep decides everybody under the new fit, a fixed number with each event, and forgets the fit before', () =>
    withRig({ store: 'lmdb', config: { calibrationMin: 5, sweepUsers: 3 } }, (rig) => {
      const shop = { seed: 3, events: 900, users: 150, products: 60, prototypeEvery: 10 }
      const records = encoded(randomRecords(shop), [])
      let sweeps = 0
      for (let next = 0; next < records.length; next++) {
        const before = rig.store.counters()
        rig.process(batchOf(records, next, next + 1))
        const { sweepNext, sweepEnd, epoch } = rig.store.counters()
        if (epoch === before.epoch) assert.ok(sweepNext - before.sweepNext <= 3 || sweepNext === sweepEnd)
        if (before.sweepNext === before.sweepEnd || sweepNext < sweepEnd) continue
        sweeps++
        rig.checkpoint()
        for (const user of rig.store.users()) {
          const row = rig.store.user(user)!
          if (row.status !== 'prototype') assert.equal(row.epoch, epoch, row.userId)
        }
        assert.equal(rig.store.epoch(epoch - 1), undefined)
      }
      assert.ok(sweeps >= 2, `${sweeps} sweeps ended`)
    }))

  it('a version switched to is fitted at once, and everybody decided under its own fit', () =>
    withRig({ store: 'memory', config: { calibrationMin: 3 } }, (rig) => {
      const shop = { seed: 5, events: 700, users: 80, products: 40, prototypeEvery: 8 }
      const records = encoded(randomRecords(shop), [])
      const versions = new Set<number>()
      for (let next = 0; next < records.length; next++) {
        rig.process(batchOf(records, next, next + 1))
        const { epoch, version } = rig.store.counters()
        if (epoch === 0) continue
        assert.equal(rig.store.epoch(epoch)!.version, version)
        if (rig.store.epoch(epoch)!.cause === 'version') versions.add(version)
      }
      assert.ok(versions.size >= 2, `${versions.size} versions were fitted at their switch`)
    }))

  it('too few prototypes, or calibration off, leave answers by q', async () => {
    await Promise.all(
      [0, 1000].map((calibrationMin) =>
        withRig({ store: 'memory', config: { calibrationMin } }, (rig) => {
          const shop = { seed: 9, events: 400, users: 60, products: 40, prototypeEvery: 6 }
          const records = encoded(randomRecords(shop), [500, 900])
          rig.process(batchOf(records))
          assert.equal(rig.store.counters().epochs, 0)
          for (const user of rig.store.users()) assert.equal(rig.store.user(user)!.epoch, 0)
        }),
      ),
    )
  })
})

/** Change events fold to held set, primary and status of the export, each of an id of its own. */
function assertFolds({ users, changes }: Left): void {
  const events = changes.map((line) => JSON.parse(line) as ChangeEvent)
  assert.equal(new Set(events.map(({ event_id }) => event_id)).size, events.length, 'ids of change events')
  const folds = foldedBy(events)
  for (const line of users) {
    const user = JSON.parse(line) as {
      user_id: string
      status: string
      primary: string | null
      version: number
      personas: { persona: string }[]
    }
    const fold = folds.get(user.user_id) ?? {
      held: new Set<string>(),
      primary: null,
      status: 'unknown',
      sequence: 0,
    }
    assert.deepEqual(fold, {
      held: new Set(user.personas.map(({ persona }) => persona)),
      primary: user.primary,
      status: user.status,
      sequence: user.version,
    })
  }
}

function foldedBy(events: readonly ChangeEvent[]) {
  const folds = new Map<
    string,
    { held: Set<string>; primary: string | null; status: string; sequence: number }
  >()
  for (const event of events.toSorted((a, b) => a.sequence - b.sequence)) {
    const held = new Set(folds.get(event.user_id)?.held)
    for (const { persona } of event.exited) held.delete(persona)
    for (const { persona } of event.entered) held.add(persona)
    folds.set(event.user_id, { held, primary: event.primary, status: event.status, sequence: event.sequence })
  }
  return folds
}
