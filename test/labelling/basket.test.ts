// A purchase history as text: within its budget, the most bought first, nothing twice; and what a store's edges say.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { basketText, interleaved, tokensOf } from '../../src/labelling/basket.ts'
import type { BasketLine } from '../../src/labelling/port.ts'

const title = fc.oneof(
  fc.constantFrom('Cake tin', 'Icing sugar', 'Garden trowel', '纸尿裤', 'Crème brûlée set', 'a; b, 3 times'),
  fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }),
)
const line: fc.Arbitrary<BasketLine> = fc.record({
  title,
  times: fc.integer({ min: 1, max: 500 }),
  lastTs: fc.integer({ min: 0, max: 1_000_000 }),
})
const basket = fc.array(line, { maxLength: 60 })

describe('a basket as text', () => {
  it('reads like this', () => {
    const day = (n: number) => Date.UTC(2025, 0, n)
    const bought = [
      { title: 'Cake tin', times: 3, lastTs: day(1) },
      { title: 'Icing\n  sugar', times: 12, lastTs: day(2) },
      { title: 'Garden trowel', times: 1, lastTs: day(9) },
      { title: 'Seeds', times: 2, lastTs: day(8) },
    ]
    assert.equal(
      basketText(bought, 1000),
      'Icing sugar, 12 times; Garden trowel, once; Cake tin, 3 times; Seeds, 2 times',
    )
    assert.equal(basketText(bought, 24), 'Icing sugar, 12 times; Garden trowel, once; and 2 more products')
    assert.equal(basketText([], 100), '')
  })

  it('never passes its budget, and is whole where it fits', () => {
    fc.assert(
      fc.property(basket, fc.integer({ min: 12, max: 800 }), (lines, budget) => {
        const text = basketText(lines, budget)
        assert.ok(tokensOf(text) <= budget, `${tokensOf(text)} of ${budget}`)
        assert.ok(text.isWellFormed() && !/[\n\r]/.test(text))
        assert.equal(text === '', lines.length === 0)
        const whole = basketText(lines, 1e9)
        if (tokensOf(whole) <= budget) assert.equal(text, whole)
        else assert.match(text, /; and \d+ more products$/)
      }),
    )
  })

  it('says how many products it leaves out', () => {
    const distinct = fc
      .integer({ min: 20, max: 60 })
      .map((count) =>
        Array.from({ length: count }, (_, n) => ({ title: `Product ${n}`, times: (n % 5) + 1, lastTs: n })),
      )
    fc.assert(
      fc.property(distinct, fc.integer({ min: 30, max: 120 }), (lines, budget) => {
        const text = basketText(lines, budget)
        const shown = text.match(/Product \d+/g)!
        assert.equal(new Set(shown).size, shown.length, 'each once')
        assert.equal(shown.length + Number(/and (\d+) more/.exec(text)![1]), lines.length)
      }),
    )
  })

  it('has the most bought first and the most recent among the first two', () => {
    fc.assert(
      fc.property(
        basket.filter(({ length }) => length > 0),
        (lines) => {
          const ordered = interleaved(lines)
          assert.equal(ordered.length, lines.length)
          assert.deepEqual(new Set(ordered), new Set(lines))
          assert.equal(ordered[0]!.times, Math.max(...lines.map(({ times }) => times)))
          const latest = Math.max(...lines.map(({ lastTs }) => lastTs))
          assert.ok(ordered.slice(0, 2).some(({ lastTs }) => lastTs === latest))
        },
      ),
    )
  })

  it('is the same whatever order the lines come in', () => {
    const unlike = fc.uniqueArray(line, { maxLength: 30, selector: ({ title: text }) => text })
    fc.assert(
      fc.property(unlike, fc.integer({ min: 20, max: 300 }), (lines, budget) =>
        assert.equal(basketText(lines.toReversed(), budget), basketText(lines, budget)),
      ),
    )
  })
})
