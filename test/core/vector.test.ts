// Published vectors: rounding alone never takes one further from its exact vector than the least delta allows (I2).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { personasMax, publishedOne, shareOne } from '../../src/core/limits.ts'
import { priorOf, shareSumsOf, sharesOf } from '../../src/core/prototype.ts'
import {
  exactVector,
  leastDelta,
  mustPublish,
  publishedDrift,
  rhoOf,
  roundVector,
} from '../../src/core/vector.ts'

const kappa = fc.oneof(fc.constantFrom(1, 3000, 1_000_000), fc.integer({ min: 1, max: 1_000_000 }))

describe('the least delta', () => {
  it('is kept by every vector just published: of as many personas as there can be, at the least rho', () =>
    fc.assert(
      fc.property(
        kappa,
        fc.integer({ min: 2, max: personasMax }),
        fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: personasMax, maxLength: personasMax }),
        fc.constantFrom(300, 500, 1000, 300_000),
        (kappa, personas, weights, mass) => {
          const shares = sharesOf(weights.slice(0, personas).map((weight, persona) => ({ persona, weight })))
          const shareSums = shareSumsOf([shares], personas)
          const prior = priorOf({ version: 1, hash: '', personas: [], shareSums, prototypes: 1 })
          const policy = { kappa, delta: leastDelta(kappa), prior }
          const exact = new Float64Array(personas)
          const b = Float64Array.from(shareSums, (share) => share * mass)
          exactVector({ mass, b, offset: 0 }, policy, exact)
          const published = new Float64Array(personas)
          roundVector(exact, published, 0)
          assert.ok(publishedDrift(exact, published, 0) <= policy.delta * rhoOf(mass, kappa))
          assert.ok(!mustPublish({ mass, exact, published, offset: 0 }, policy))
          assert.equal(
            shares.reduce((sum, { share }) => sum + share, 0),
            shareOne,
          )
        },
      ),
      { numRuns: 300 },
    ))

  it('is no more than a few parts in a thousand above the worst that rounding can do', () =>
    fc.assert(
      fc.property(kappa, (kappa) => {
        const halves = Float64Array.from({ length: personasMax }, (_, c) => (c + 0.5) / publishedOne)
        const published = new Float64Array(personasMax)
        roundVector(halves, published, 0)
        const worst = publishedDrift(halves, published, 0) / rhoOf(300, kappa)
        assert.ok(worst <= leastDelta(kappa) && leastDelta(kappa) <= worst * 1.011, `${worst}`)
      }),
    ))
})
