// Whom to label: the score against plain arithmetic, rounds that never choose twice, held-out users who stand for everybody.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { sampleHeldOut, sampleRound } from '../../src/labelling/candidates.ts'
import { chooseRound, diversityUncertainty, samplingMethods } from '../../src/labelling/sampling.ts'
import { withRig } from '../support/engine-harness.ts'
import { batchOf, eventBytes, recordAt } from '../support/engine-records.ts'

const candidates = fc.uniqueArray(
  fc.record({
    userId: fc.string({ minLength: 1, maxLength: 4 }),
    purchases: fc.integer({ min: 1, max: 40 }),
    q: fc.option(
      fc
        .array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 })
        .map((values) => Float64Array.from(values, (value) => value / values.reduce((a, b) => a + b))),
      { nil: undefined },
    ),
  }),
  { selector: ({ userId }) => userId, minLength: 1, maxLength: 60 },
)
const distribution = Float64Array.from([0.7, 0.2, 0.1])

describe('sampling of users to label', () => {
  it('KL(Q̂ ‖ Q_u) + H(Q_u): far from the labels, or unsure, is worth more', () => {
    const q = Float64Array.from([0.5, 0.25, 0.25])
    const kl = 0.7 * Math.log(0.7 / 0.5) + 0.2 * Math.log(0.2 / 0.25) + 0.1 * Math.log(0.1 / 0.25)
    const entropy = 0.5 * Math.log(2) + 0.5 * Math.log(4)
    assert.ok(Math.abs(diversityUncertainty(q, distribution) - (kl + entropy)) < 1e-12)
    const known = diversityUncertainty(Float64Array.from([1, 0, 0]), distribution)
    assert.ok(Number.isFinite(known), 'a persona never met')
    assert.ok(diversityUncertainty(Float64Array.from([0, 0, 1]), distribution) > known)
    const unknown = diversityUncertainty(undefined, distribution)
    assert.ok(Math.abs(unknown - diversityUncertainty(distribution, distribution)) < 1e-12)
  })

  it('every method chooses nobody twice, as many as asked for or all, by the seed alone', () => {
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 70 }), fc.nat({ max: 9 }), (given, count, seed) => {
        for (const method of samplingMethods) {
          const options = { method, count, seed, labelled: { distribution, prototypes: 100 } }
          const chosen = chooseRound(given, options)
          assert.equal(new Set(chosen).size, Math.min(count, given.length), method)
          assert.deepEqual(chooseRound(given, options), chosen)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('du takes the greatest scores once there are labels enough, and chooses at random before', () => {
    const of = (userId: string, q: number[]) => ({ userId, purchases: 5, q: Float64Array.from(q) })
    const given = Array.from({ length: 40 }, (_, i) =>
      of(`u${i}`, i === 17 ? [0.01, 0.01, 0.98] : [0.9, 0.05, 0.05]),
    )
    const first = (prototypes: number, seed: number) =>
      chooseRound(given, {
        method: 'du',
        count: 1,
        seed,
        labelled: { distribution, prototypes },
      })[0]!.userId
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8]
    assert.deepEqual(new Set(seeds.map((seed) => first(60, seed))), new Set(['u17']))
    assert.ok(new Set(seeds.map((seed) => first(59, seed))).size > 3)
  })

  it('by degree, one of each stratum', () => {
    const given = Array.from({ length: 100 }, (_, i) => ({ userId: `u${i}`, purchases: i, q: undefined }))
    const options = {
      method: 'degree',
      count: 10,
      seed: 3,
      labelled: { distribution, prototypes: 0 },
    } as const
    const strata = chooseRound(given, options).map(({ purchases }) => Math.floor(purchases / 10))
    assert.deepEqual(strata.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('over a store: walks to the labels so far say who is next; the taken and those who bought little are left out', () =>
    withRig({ store: 'memory' }, (rig) => {
      const events = Array.from({ length: 90 }, (_, user) =>
        Array.from({ length: user === 5 ? 2 : 4 }, (_, n) => ({
          kind: 'event' as const,
          event_id: `e${user}:${n}`,
          user_id: `u${user}`,
          // u80 to u89 buy what nobody who is labelled buys, but for one product
          product_id: user >= 80 && n > 0 ? `rare${n}` : `p${(user + n) % 7}`,
          type: 'purchase' as const,
          ts: new Date(Date.UTC(2025, 0, 1, user, n)).toISOString(),
        })),
      ).flat()
      rig.process(batchOf(events.map((event, offset) => recordAt(offset, eventBytes(event)))))
      const labels = new Map<string, Record<string, number>>(
        Array.from({ length: 61 }, (_, i) => [`u${i}`, i === 60 ? { a: 1, b: 3 } : { a: 1 }]),
      )
      const options = { method: 'du', seed: 1, purchasesMin: 3, kappa: 3000, count: 5 } as const
      const taken = new Set([...labels.keys(), 'u70'])
      const { users, candidates } = sampleRound(rig.store, { ...options, labels, taken })
      assert.equal(candidates, 90 - 61 - 1)
      assert.equal(new Set(users.map(({ userId }) => userId)).size, 5)
      assert.ok(users.every(({ userId }) => !taken.has(userId)))
      const fresh = sampleRound(rig.store, { ...options, labels: new Map(), taken: new Set() })
      assert.equal(fresh.candidates, 89, 'u5 bought too little')
      const held = sampleHeldOut(rig.store, { count: 9, seed: 1, purchasesMin: 3 })
      assert.equal(new Set(held.users.map(({ userId }) => userId)).size, 9)
      assert.deepEqual(sampleHeldOut(rig.store, { count: 9, seed: 1, purchasesMin: 3 }), held)
    }))
})
