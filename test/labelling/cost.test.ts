// Money: prices of models, and a limit that calls at the same time cannot pass together.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { UsageError } from '../../src/errors.ts'
import { batchDiscount, costOf, pricesOf, Spending } from '../../src/labelling/cost.ts'

describe('prices', () => {
  it('are those given, or a default by model, dated or not, halved for a batch', () => {
    assert.deepEqual(pricesOf('mine', { priceIn: 1, priceOut: 2, batch: true }), {
      in: 1,
      out: 2,
      source: 'given',
    })
    const plain = pricesOf('gpt-4o-mini', {})!
    assert.equal(plain.source, 'default')
    assert.deepEqual(pricesOf('gpt-4o-mini-2024-07-18', {}), plain)
    assert.equal(pricesOf('gpt-4o-mini', { batch: true })!.in, plain.in * batchDiscount)
    for (const unknown of ['mine', 'gpt-4o-mini-of-mine', 'toString', '__proto__'])
      assert.equal(pricesOf(unknown, {}), undefined, unknown)
    assert.throws(() => pricesOf('gpt-4o', { priceIn: 1 }), /^UsageError: name both prices/)
    assert.equal(costOf({ tokensIn: 2_000_000, tokensOut: 500_000 }, { in: 3, out: 4, source: 'given' }), 8)
    assert.equal(costOf({ tokensIn: 1, tokensOut: 1 }, undefined), undefined)
  })
})

describe('a cost limit', () => {
  it('needs prices', () => {
    const limited = () => new Spending({ maxUsd: 1, prices: undefined, model: 'mine' })
    assert.throws(
      limited,
      (error) => error instanceof UsageError && /"mine": name them with/.test(error.message),
    )
    assert.ok(
      new Spending({ prices: undefined, model: 'mine' }).reserve(1e9),
      'without a limit there is none',
    )
  })

  it('is never passed, and refuses nothing that surely fits', () => {
    const call = fc.record({
      most: fc.integer({ min: 0, max: 50 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(call), fc.integer({ min: 0, max: 200 }), fc.nat(5), (calls, maxUsd, atATime) => {
        const prices = { in: 1, out: 1, source: 'given' } as const
        const spending = new Spending({ maxUsd, prices, model: 'm' })
        const open: { most: number; share: number }[] = []
        for (const each of calls) {
          const reserved = open.reduce((sum, { most }) => sum + most, 0)
          const fits = spending.spentUsd + reserved + each.most <= maxUsd
          // sums of fractions may differ in the last bits
          if (Math.abs(spending.spentUsd + reserved + each.most - maxUsd) > 1e-9)
            assert.equal(spending.reserve(each.most), fits)
          else if (!spending.reserve(each.most)) continue
          if (fits) open.push(each)
          while (open.length > atATime) {
            const done = open.shift()!
            spending.settle(done.most, done.most * done.share)
          }
          assert.ok(spending.spentUsd <= maxUsd + 1e-9)
        }
      }),
    )
  })
})
