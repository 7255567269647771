/** The demo shop: what its readers rely on, and that its personas can be learnt from purchases, but not read off. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CATALOGUE, PERSONA_KEYS, PERSONAS } from '../../src/demo/catalogue.ts'
import type { DemoEvent, DemoShop } from '../../src/demo/shop.ts'
import { generateShop } from '../../src/demo/shop.ts'

const shop = generateShop({ seed: 1 })
const personaNames = shop.personas.personas.map((persona) => persona.name)
const purchases = shop.events.filter((event) => event.type === 'purchase')

describe('the demo catalogue', () => {
  it('has about 120 products with id, title, category, price and demand', () => {
    assert.ok(CATALOGUE.length >= 110 && CATALOGUE.length <= 140, `${CATALOGUE.length} products`)
    assert.equal(new Set(CATALOGUE.map((product) => product.product_id)).size, CATALOGUE.length)
    assert.equal(new Set(CATALOGUE.map((product) => product.title)).size, CATALOGUE.length)
    for (const product of CATALOGUE) {
      assert.ok(product.title.length > 0 && product.category.length > 0, product.product_id)
      assert.ok(product.price > 0 && product.popularity > 0, product.product_id)
      if (product.staple) assert.deepEqual(product.affinity, {}, `${product.title} is for everybody`)
    }
  })

  it('names products each persona is drawn to by its keywords', () => {
    for (const key of PERSONA_KEYS) {
      for (const keyword of PERSONAS[key].keywords) {
        const named = CATALOGUE.filter((product) => product.title.toLowerCase().includes(keyword))
        const liked = named.filter((product) => (product.affinity[key] ?? 1) > 1)
        assert.ok(liked.length > named.length / 2, `${keyword}: ${liked.length} of ${named.length}`)
      }
    }
  })
})

describe('generateShop', () => {
  it('is a function of its seed', () => {
    const small = JSON.stringify(generateShop({ seed: 7, shoppers: 300 }))
    assert.equal(JSON.stringify(generateShop({ seed: 7, shoppers: 300 })), small)
    assert.notEqual(JSON.stringify(generateShop({ seed: 8, shoppers: 300 })), small)
    assert.notEqual(JSON.stringify(generateShop({ seed: 7 + 2 ** 32, shoppers: 300 })), small)
  })

  it('has 5,000 shoppers and about 60,000 events by default, and works from 1 shopper to 50,000', () => {
    assert.equal(shop.shoppers.length, 5_000)
    assert.ok(shop.events.length > 54_000 && shop.events.length < 66_000, `${shop.events.length} events`)
    for (const shoppers of [1, 50, 50_000]) {
      const other = generateShop({ seed: 3, shoppers })
      assert.equal(other.shoppers.length, shoppers)
      const buyers = new Set(other.events.map((event) => event.user_id))
      assert.equal(buyers.size, shoppers, 'everybody buys something')
    }
    for (const shoppers of [0, 1.5, Number.NaN, -1]) {
      assert.throws(() => generateShop({ seed: 3, shoppers }), RangeError)
    }
    assert.throws(() => generateShop({ seed: 0.5 }), RangeError)
  })

  it('emits valid events of known products and shoppers, in time order', () => {
    const products = new Map(shop.products.map((product) => [product.product_id, product]))
    const users = new Set(shop.shoppers.map((shopper) => shopper.user_id))
    const ids = new Set<string>()
    let previous = ''
    for (const event of shop.events) {
      const product = products.get(event.product_id)
      assert.ok(product !== undefined && users.has(event.user_id), event.event_id)
      assert.deepEqual([event.title, event.category], [product.title, product.category])
      assert.ok(['purchase', 'view', 'cart', 'review', 'return'].includes(event.type), event.type)
      assert.ok(Number.isInteger(event.quantity) && event.quantity >= 1, event.event_id)
      assert.ok(event.price > 0 && event.price <= product.price, event.event_id)
      assert.match(event.ts, /^2025-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
      assert.equal(new Date(event.ts).toISOString(), event.ts)
      assert.ok(event.ts >= previous, `${event.event_id} comes before the one it follows`)
      assert.ok(event.ts >= (product.launched_at ?? ''), `${event.event_id} precedes its product's launch`)
      ids.add(event.event_id)
      previous = event.ts
    }
    assert.equal(ids.size, shop.events.length)
  })

  it('is mostly purchases, with views, carts, reviews and returns', () => {
    const share = (type: DemoEvent['type']): number =>
      shop.events.filter((event) => event.type === type).length / shop.events.length
    assertBetween(share('purchase'), [0.76, 0.83])
    assertBetween(share('view'), [0.13, 0.18])
    assertBetween(share('cart'), [0.005, 0.03])
    assertBetween(share('review'), [0.005, 0.03])
    assertBetween(share('return') / share('purchase'), [0.02, 0.04])
  })

  it('returns only what the same shopper bought before', () => {
    const held = new Map<string, number>()
    for (const { user_id, product_id, type, quantity, event_id } of shop.events) {
      if (type !== 'purchase' && type !== 'return') continue
      const edge = JSON.stringify([user_id, product_id])
      const net = (held.get(edge) ?? 0) + (type === 'purchase' ? quantity : -quantity)
      assert.ok(net >= 0, `${event_id} returns more than was bought`)
      held.set(edge, net)
    }
  })

  it('gives shoppers and products long tails', () => {
    const perShopper = [...purchasesByShopper(shop).values()].map((bought) => bought.length)
    const shareOf = (from: number, to: number): number =>
      perShopper.filter((count) => count >= from && count <= to).length / perShopper.length
    assertBetween(shareOf(1, 5), [0.4, 0.65])
    assertBetween(shareOf(60, 1_000), [0.005, 0.03])
    const perProduct = [...countBy(purchases, (event) => event.product_id).values()].sort((a, b) => b - a)
    assert.equal(perProduct.length, CATALOGUE.length, 'everything sells')
    const topTenth = perProduct.slice(0, Math.round(perProduct.length / 10))
    assert.ok(sum(topTenth) > 0.25 * sum(perProduct), 'a tenth of the products makes a quarter of the sales')
  })
})

describe('the planted personas', () => {
  it('are the five, in skewed shares', () => {
    assert.deepEqual(personaNames.toSorted(), [
      'price-sensitive',
      'quiet-sensitive',
      'stay-at-home new mother',
      'travelling mother',
      'working pumping mother',
    ])
    const shares = countBy(shop.shoppers, (shopper) => shopper.planted[0]!.persona)
    assertBetween(shares.get('working pumping mother')! / 5_000, [0.31, 0.37])
    assertBetween(shares.get('quiet-sensitive')! / 5_000, [0.08, 0.12])
  })

  it('drift once for 8 % of the shoppers, between their first purchase and their last', () => {
    const bought = purchasesByShopper(shop)
    const drifted = shop.shoppers.filter((shopper) => shopper.planted.length > 1)
    assert.equal(drifted.length, 400)
    for (const { user_id, planted } of drifted) {
      assert.equal(planted.length, 2)
      assert.notEqual(planted[0]!.persona, planted[1]!.persona)
      assert.ok(bought.get(user_id)![0]!.ts < planted[1]!.from, user_id)
      assert.ok(bought.get(user_id)!.at(-1)!.ts > planted[1]!.from, user_id)
    }
  })

  it('hold from the first event on', () => {
    const from = new Map(shop.shoppers.map((shopper) => [shopper.user_id, shopper.planted[0]!.from]))
    for (const event of shop.events) assert.ok(event.ts >= from.get(event.user_id)!, event.event_id)
  })

  it('label 5 % of the shoppers, who bought four times or more, by the latest first', () => {
    const bought = purchasesByShopper(shop)
    const planted = new Map(shop.shoppers.map((shopper) => [shopper.user_id, shopper.planted]))
    assert.equal(shop.prototypes.length, 250)
    assert.equal(new Set(shop.prototypes.map((prototype) => prototype.user_id)).size, 250)
    for (const { user_id, personas } of shop.prototypes) {
      assert.ok(bought.get(user_id)!.length >= 4, user_id)
      const latest = planted.get(user_id)!.at(-1)!.persona
      if (Array.isArray(personas)) assert.deepEqual(personas, [latest])
      else assert.deepEqual(personas, { [latest]: 0.7, [planted.get(user_id)![0]!.persona]: 0.3 })
    }
    assert.ok(shop.prototypes.some(({ personas }) => !Array.isArray(personas)))
  })

  it('can be learnt from the labelled shoppers, better with more purchases, never surely', () => {
    for (const seed of [1, 2, 3]) {
      const { all, few, many, commonest } = naiveBayes(generateShop({ seed }))
      const figures = JSON.stringify({ seed, all, few, many, commonest })
      assert.ok(all > 0.55 && all < 0.92 && all > commonest + 0.1, figures)
      assert.ok(few > 0.35 && few < 0.75, figures)
      assert.ok(many > 0.7 && many < 0.995 && many > few + 0.15, figures)
    }
  })
})

/**
 * Trains naive Bayes over purchased products on the prototypes and returns the share of the other shoppers whose
 * latest persona it names: of all, of those with one purchase, of those with ten or more; and the share of the
 * commonest persona.
 */
function naiveBayes(from: DemoShop): { all: number; few: number; many: number; commonest: number } {
  const bought = purchasesByShopper(from)
  const names = from.personas.personas.map((persona) => persona.name)
  const labelled = new Set(from.prototypes.map((prototype) => prototype.user_id))
  const prior = new Map(names.map((name) => [name, 1]))
  const counts = new Map(names.map((name) => [name, new Map<string, number>()]))
  for (const { user_id, personas } of from.prototypes) {
    const primary = Array.isArray(personas) ? personas[0]! : Object.keys(personas)[0]!
    const row = counts.get(primary)!
    prior.set(primary, prior.get(primary)! + 1)
    for (const { product_id } of bought.get(user_id)!) row.set(product_id, (row.get(product_id) ?? 0) + 1)
  }
  const totals = new Map(names.map((name) => [name, sum([...counts.get(name)!.values()])]))
  const logLikelihood = (name: string, product: string): number =>
    Math.log(((counts.get(name)!.get(product) ?? 0) + 0.3) / (totals.get(name)! + 0.3 * CATALOGUE.length))
  const guess = (products: readonly string[]): string => {
    const scores = names.map((name) =>
      products.reduce((score, product) => score + logLikelihood(name, product), Math.log(prior.get(name)!)),
    )
    return names[scores.indexOf(Math.max(...scores))]!
  }

  const judged = from.shoppers
    .filter((shopper) => !labelled.has(shopper.user_id))
    .map(({ user_id, planted }) => {
      const products = bought.get(user_id)!.map((event) => event.product_id)
      const persona = planted.at(-1)!.persona
      return { persona, size: products.length, right: guess(products) === persona }
    })
  const accuracy = (some: typeof judged): number => some.filter((one) => one.right).length / some.length
  return {
    all: accuracy(judged),
    few: accuracy(judged.filter((one) => one.size === 1)),
    many: accuracy(judged.filter((one) => one.size >= 10)),
    commonest: Math.max(...countBy(judged, (one) => one.persona).values()) / judged.length,
  }
}

function purchasesByShopper(from: DemoShop): Map<string, DemoEvent[]> {
  const bought = new Map<string, DemoEvent[]>(from.shoppers.map((shopper) => [shopper.user_id, []]))
  for (const event of from.events) if (event.type === 'purchase') bought.get(event.user_id)!.push(event)
  return bought
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return counts
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function assertBetween(value: number, [low, high]: readonly [number, number]): void {
  assert.ok(value >= low && value <= high, `${value} is not between ${low} and ${high}`)
}
