// Shoppers read from a store, and the samples that a persona set is proposed from: seeded, each shopper once.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { rngFor } from '../../src/core/rng.ts'
import { samplesOf } from '../../src/labelling/propose-personas.ts'
import { shopperOf, shoppersOf } from '../../src/labelling/shoppers.ts'
import { openReader } from '../../src/profiler.ts'
import type { LmdbStore } from '../../src/store/lmdb/lmdb-store.ts'
import { makeDirectory, removeDirectory, succeed } from '../support/command.ts'
import { eventOf, ndjsonOf } from '../support/events.ts'
import { makeShop } from '../support/labelling-shop.ts'

const dir = makeDirectory()
let store: LmdbStore

before(async () => {
  const { data } = await makeShop(dir, 5)
  const odd = [
    { event_id: 'o1', product_id: 'sku-1', quantity: 5 },
    { event_id: 'o2', product_id: 'sku-1', type: 'return', quantity: 2 },
    { event_id: 'o3', product_id: 'sku-2' },
    { event_id: 'o4', product_id: 'sku-2', type: 'return' },
    { event_id: 'o5', product_id: 'sku-3', type: 'view', title: 'Looked at' },
    { event_id: 'o6', product_id: 'sku-4', type: 'return' },
    { event_id: 'o7', product_id: 'sku-5', title: ' Bought ', ts: '2025-03-01T00:00:00Z' },
  ]
  const events = odd.map((fields) => eventOf({ user_id: 'odd', ...fields }))
  await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf(events) })
  store = openReader({ dir: data, config: configFrom({}) })
})

after(async () => {
  await store.close()
  removeDirectory(dir)
})

describe('shoppers of a store', () => {
  it('are what they bought and kept, by title or by product id, the most units first', () => {
    const { basket } = shopperOf(store, store.userIndexOf('odd')!)
    assert.deepEqual(basket, [
      { title: 'sku-1', times: 3, lastTs: Date.UTC(2025, 0, 1) },
      { title: 'Bought', times: 1, lastTs: Date.UTC(2025, 2, 1) },
    ])
  })

  it('are all with so many products bought at least', () => {
    for (const [productsMin, expected] of [
      [0, 16],
      [1, 16],
      [2, 13],
      [4, 12],
      [5, 0],
    ] as const) {
      const found = [...shoppersOf(store, productsMin)]
      assert.equal(found.length, expected, `${productsMin} products`)
      assert.ok(found.every(({ basket }) => basket.length >= productsMin))
    }
  })
})

describe('samples for a proposal', () => {
  const draw = (seed: number, samples: number, shoppersEach: number) =>
    samplesOf(store, { rng: rngFor({ seed, text: 'test', position: 0 }), samples, shoppersEach })

  it('hold each shopper once, of those who bought enough, and titles of the shop', () => {
    const drawn = draw(1, 3, 4)
    assert.deepEqual(
      drawn.map(({ shoppers }) => shoppers.length),
      [4, 4, 4],
    )
    const users = drawn.flatMap(({ shoppers }) => shoppers.map(({ userId }) => userId))
    assert.equal(new Set(users).size, 12)
    assert.ok(drawn.every(({ shoppers }) => shoppers.every(({ basket }) => basket.length >= 3)))
    assert.ok(drawn[0]!.titles.includes('Cake tin') && !drawn[0]!.titles.includes('sku-1'))
  })

  it('are the same of a seed, and others of another', () => {
    assert.deepEqual(draw(1, 2, 3), draw(1, 2, 3))
    assert.notDeepEqual(draw(1, 2, 3), draw(2, 2, 3))
  })

  it('are fewer and even where there are not enough shoppers', () => {
    assert.deepEqual(
      draw(1, 5, 50).map(({ shoppers }) => shoppers.length),
      [3, 3, 2, 2, 2],
    )
    assert.equal(draw(1, 50, 1).length, 12)
  })
})
