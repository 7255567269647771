// Skipping a decision is exact: as long as S(u) moved by less than the slack, deciding anew gives the same answer.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decideByOdds, oddsInto, oddsPolicyOf, oddsReach, oddsSlack } from '../../src/core/decide.ts'
import {
  type DecisionPolicy,
  decideHeld,
  decisionReach,
  decisionSlack,
  landed,
} from '../../src/core/persona.ts'

const policyArbitrary: fc.Arbitrary<DecisionPolicy> = fc
  .record({
    k: fc.integer({ min: 1, max: 5 }),
    floor: fc.constantFrom(0, 0.08, 0.2),
    share: fc.constantFrom(0, 0.25, 1),
    landingMassMin: fc.constantFrom(0.05, 0.05, 0),
  })
  .map(({ k, floor, share, landingMassMin }) => ({
    k,
    floor,
    margin: floor * share,
    weightMin: 1000,
    landingMassMin,
  }))

/** Scores with many ties and near ties, what was held before, and moves to try, each a share of the slack. */
const caseArbitrary = fc.integer({ min: 1, max: 20 }).chain((personas) =>
  fc.record({
    policy: policyArbitrary,
    scores: fc.array(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 1e6 })), {
      minLength: personas,
      maxLength: personas,
    }),
    scale: fc.constantFrom(1, 1000, 2 ** 24),
    held: fc.array(fc.constantFrom(0, 1), { minLength: personas, maxLength: personas }),
    carried: fc.array(fc.constantFrom(0, 1, 1), { minLength: personas, maxLength: personas }),
    moves: fc.array(
      fc.array(
        fc.record({ persona: fc.nat(personas - 1), part: fc.double({ min: -1, max: 1, noNaN: true }) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      { minLength: 20, maxLength: 20 },
    ),
  }),
)

describe('decision slack', () => {
  it('no move of less than the slack changes held set, primary or landing', () => {
    let moved = 0
    fc.assert(
      fc.property(caseArbitrary, ({ policy, scores, scale, held: before, carried: carriedList, moves }) => {
        const personas = scores.length
        const weight = 1000
        const carried = Uint8Array.from(carriedList)
        const score = { values: Float64Array.from(scores, (value) => value * scale), offset: 0 }
        const held = { values: Uint8Array.from(before), offset: 0 }
        if (!landed(score, { weight, personas }, policy)) return
        const primary = decideHeld(score, held, { policy, carried })
        const slack = decisionSlack(score, held, { policy, carried, weight })
        for (const parts of moves) {
          const near = movedBy(score.values, { parts, slack, policy })
          if (near === undefined) continue
          moved++
          const again = { values: Uint8Array.from(held.values), offset: 0 }
          assert.ok(landed({ values: near, offset: 0 }, { weight, personas }, policy))
          assert.equal(decideHeld({ values: near, offset: 0 }, again, { policy, carried }), primary)
          assert.deepEqual(again.values, held.values)
        }
      }),
      { numRuns: 2000 },
    )
    assert.ok(moved > 1000, `${moved} moves tried`)
  })

  it('is not so careful that nothing is ever skipped', () => {
    const policy = { k: 3, floor: 0.08, margin: 0.02, weightMin: 1000, landingMassMin: 0.05 }
    const score = { values: Float64Array.from([40, 30, 20, 5, 5], (share) => share * 2 ** 24), offset: 0 }
    const held = { values: new Uint8Array(5), offset: 0 }
    const carried = new Uint8Array(5).fill(1)
    assert.equal(decideHeld(score, held, { policy, carried }), 0)
    const slack = decisionSlack(score, held, { policy, carried, weight: 1000 })
    assert.ok(slack > 9.9 * 2 ** 24 && slack < 10 * 2 ** 24, `${slack}`) // the second may become the first
  })
})

/** Whole numbers no less than 0, moved by a reach below the slack; undefined where that leaves them as they are. */
function movedBy(
  values: Float64Array,
  {
    parts,
    slack,
    policy,
  }: { parts: readonly { persona: number; part: number }[]; slack: number; policy: DecisionPolicy },
): Float64Array | undefined {
  if (slack <= 0) return undefined
  const move = new Float64Array(values.length)
  for (const { persona, part } of parts) move[persona]! += part
  const reach = decisionReach(move, policy)
  if (reach === 0) return undefined
  const near = values.map((value, c) =>
    Math.max(0, value + Math.trunc((move[c]! / reach) * slack * 0.9999999)),
  )
  const moved = near.map((value, c) => value - values[c]!)
  if (decisionReach(moved, policy) >= slack) return undefined // cut off at 0, it reaches further
  return near.some((value, c) => value !== values[c]) ? near : undefined
}

describe('slack of a decision by probability', () => {
  const caseOfOdds = fc.integer({ min: 1, max: 12 }).chain((personas) => {
    const list = <T>(arbitrary: fc.Arbitrary<T>, size = personas) =>
      fc.array(arbitrary, { minLength: size, maxLength: size })
    return fc.record({
      scores: list(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 1e6 }))),
      prior: list(fc.double({ min: 0.001, max: 1, noNaN: true })),
      coefficients: list(fc.double({ min: -3, max: 3, noNaN: true }), personas * 6),
      base: list(fc.double({ min: -3, max: 3, noNaN: true })),
      held: list(fc.constantFrom(0, 1)),
      carried: list(fc.constantFrom(0, 1, 1)),
      enter: fc.constantFrom(0.2, 0.5, 0.9),
      weight: fc.constantFrom(1000, 20_000, 300_000),
      moves: fc.array(list(fc.double({ min: -1, max: 1, noNaN: true })), { minLength: 20, maxLength: 20 }),
    })
  })

  it('no move of less than the slack changes held set or primary, and most users have some', () => {
    let moved = 0
    let free = 0
    let cases = 0
    fc.assert(
      fc.property(caseOfOdds, ({ scores, moves, weight, ...given }) => {
        const total = scores.reduce((sum, value) => sum + value, 0)
        if (total === 0) return
        const policy = oddsPolicyOf({
          calibration: {
            base: Float64Array.from(given.base),
            coefficients: Float64Array.from(given.coefficients),
            enter: given.enter,
          },
          exit: given.enter * 0.8,
          prior: Float64Array.from(given.prior),
          carried: Uint8Array.from(given.carried),
          bias: undefined,
        })
        const decide = (values: Float64Array, before: Uint8Array) => {
          const score = { values, offset: 0 }
          const held = { values: before.slice(), offset: 0 }
          const odds = new Float64Array(values.length)
          oddsInto(odds, { score, content: undefined, weight }, policy)
          const primary = decideByOdds(odds, held, policy)
          const slack = oddsSlack(odds, held, { score, weight, primary, policy, landingMassMin: 0 })
          return { held: held.values, primary, slack }
        }
        const values = Float64Array.from(scores)
        const { held, primary, slack } = decide(values, Uint8Array.from(given.held))
        cases++
        if (slack > 0) free++
        for (const parts of moves) {
          const move = Float64Array.from(parts)
          const scale = (0.999 * slack) / oddsReach(move)
          if (!(scale > 0 && Number.isFinite(scale))) continue
          const near = values.map((value, c) => Math.max(0, value + move[c]! * scale))
          if (oddsReach(near.map((value, c) => value - values[c]!)) >= slack) continue // cut off at 0, it reaches further
          moved++
          const again = decide(near, held)
          assert.deepEqual(again.held, held)
          assert.equal(again.primary, primary)
        }
      }),
      { numRuns: 2000 },
    )
    assert.ok(moved > 1000, `${moved} moves tried`)
    assert.ok(free > cases / 2, `${free} of ${cases} have slack`)
  })
})
