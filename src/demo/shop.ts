/**
 * The demo shop: a year of purchase events by shoppers whose personas are planted, so that `kindred demo` can
 * say how often it was right. A pure function of the seed: no clock, no I/O.
 *
 * Each shopper has a persona, and every purchase draws a product with probability popularity × affinity.
 * Everybody buys staples too, so one purchase says little and ten say a lot, though never everything.
 */
import type { CatalogueEntry, DemoPersona, DemoProduct, PersonaKey } from './catalogue.ts'
import { CATALOGUE, PERSONA_KEYS, PERSONAS } from './catalogue.ts'
import { createRandom, cumulate, draw, type Random, sample } from './random.ts'

export type DemoEventType = 'purchase' | 'view' | 'cart' | 'review' | 'return'

/** A purchase event as Kindred reads it. `price` in dollars a piece; `ts` ISO 8601, UTC, whole seconds. */
export type DemoEvent = {
  readonly event_id: string
  readonly user_id: string
  readonly product_id: string
  readonly type: DemoEventType
  readonly quantity: number
  readonly price: number
  readonly ts: string
  readonly title: string
  readonly category: string
}

/** `planted` holds the persona from the shopper's first visit on and, for one who drifts, a second from later. */
export type DemoShopper = {
  readonly user_id: string
  readonly planted: readonly { readonly persona: string; readonly from: string }[]
}

/** `personas`: names of equal share, or {name: probability} of sum one. */
export type DemoPrototype = {
  readonly user_id: string
  readonly personas: readonly string[] | Readonly<Record<string, number>>
}

export type DemoShop = {
  readonly personas: { readonly version: string; readonly personas: readonly DemoPersona[] }
  readonly products: readonly DemoProduct[]
  readonly shoppers: readonly DemoShopper[]
  /** By time, ties as they happened; `event_id` counts along. */
  readonly events: readonly DemoEvent[]
  readonly prototypes: readonly DemoPrototype[]
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR_START = Date.UTC(2025, 0, 1)
const YEAR_END = Date.UTC(2026, 0, 1)

const BASE_RATES: Record<PersonaKey, number> = {
  work: 0.34,
  home: 0.25,
  price: 0.18,
  travel: 0.13,
  quiet: 0.1,
}

/** Where a drifting shopper goes, as weights. Mothers at home mostly go back to work. */
const DRIFTS: Record<PersonaKey, Partial<Record<PersonaKey, number>>> = {
  work: { travel: 4, home: 3, price: 2, quiet: 1 },
  home: { work: 5, price: 2, travel: 2, quiet: 1 },
  travel: { work: 3, home: 3, quiet: 1, price: 1 },
  quiet: { work: 3, home: 2, travel: 2, price: 1 },
  price: { work: 3, home: 2, travel: 1, quiet: 1 },
}

/** By hour of the day, UTC; the evening is when the baby sleeps. */
const HOUR_WEIGHTS = [2, 2, 2, 2, 1, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 5, 5, 5, 6, 8, 10, 10, 7, 4]
const PAID_SHARES = [1, 1, 1, 1, 1, 1, 0.9, 0.85, 0.8]

/** About 1.2 million events, all in memory. */
const SHOPPERS_MAX = 100_000
const DRIFTING_SHARE = 0.08
const PROTOTYPE_SHARE = 0.05
const ORDERS_TO_DRIFT_MIN = 4
const PURCHASES_OF_PROTOTYPE_MIN = 4
const PURCHASES_MEDIAN = 5
const PURCHASES_SPREAD = 1.15
const PURCHASES_MAX = 160
/** Chance that the next purchase goes into the same order. */
const SAME_ORDER = 0.45
/** How sharply tastes differ: 0 nobody has one, 1 as the catalogue says; here shoppers are choosier than that. */
const TASTE = 1.6
/** Chance that a purchase is a staple bought before. */
const REPEAT = 0.12
/** Chance that a purchase has nothing to do with the shopper: a gift, a whim. */
const GIFT = 0.08
/** A visit starts at most this long before its order; orders of one shopper lie further apart. */
const VISIT_MAX = 40 * MINUTE
/** Draws for one product; the few not yet launched are drawn again. */
const DRAWS_MAX = 100

type Order = { readonly at: number; readonly purchases: number }

type Plan = {
  readonly userId: string
  readonly persona: PersonaKey
  readonly orders: readonly Order[]
  readonly purchases: number
  /** The persona of the orders from `order` on. */
  drift?: { readonly persona: PersonaKey; readonly order: number }
}

type Draft = {
  readonly userId: string
  readonly product: CatalogueEntry
  readonly type: DemoEventType
  readonly quantity: number
  readonly price: number
  readonly at: number
}

/**
 * A shop's whole year: the same `seed` (a safe integer) and number of shoppers (1 to 100,000, default 5,000) give
 * the same shop to the byte. About 12 events a shopper.
 */
export function generateShop(options: { seed: number; shoppers?: number }): DemoShop {
  const { seed, shoppers: count = 5_000 } = options
  if (!Number.isInteger(count) || count < 1 || count > SHOPPERS_MAX) {
    throw new RangeError(`shoppers must be a whole number from 1 to ${SHOPPERS_MAX}, got ${count}`)
  }
  const random = createRandom(seed)
  const plans = Array.from({ length: count }, (_, index) => planShopper(random, index))
  plantDrifts(random, plans)

  const drafts = plans.flatMap((plan) => shopAllYear(random, plan))
  // The sort is stable, so what happens to one shopper in one second keeps its order.
  drafts.sort((a, b) => a.at - b.at)

  return {
    personas: { version: 'demo-1', personas: PERSONA_KEYS.map((key) => PERSONAS[key]) },
    products: CATALOGUE.map(({ product_id, title, category, price, launched_at }) => ({
      product_id,
      title,
      category,
      price,
      launched_at,
    })),
    shoppers: plans.map(toShopper),
    events: drafts.map(toEvent),
    prototypes: choosePrototypes(random, plans),
  }
}

const baseRates = cumulate(PERSONA_KEYS.map((key) => BASE_RATES[key]))
const driftRates = byPersona((from) => cumulate(PERSONA_KEYS.map((to) => DRIFTS[from][to] ?? 0)))
const tastes = byPersona((key) =>
  cumulate(CATALOGUE.map((p) => p.popularity * (p.affinity[key] ?? 1) ** TASTE)),
)
const anyTaste = cumulate(CATALOGUE.map((product) => product.popularity))
const hours = cumulate(HOUR_WEIGHTS)

function planShopper(random: Random, index: number): Plan {
  const persona = PERSONA_KEYS[draw(random, baseRates)]!
  const logNormal = PURCHASES_MEDIAN * Math.exp(PURCHASES_SPREAD * random.normal())
  const purchases = Math.min(PURCHASES_MAX, Math.max(1, Math.round(logNormal)))
  const sizes: number[] = []
  for (let bought = 0; bought < purchases; bought++) {
    if (bought > 0 && random.chance(SAME_ORDER)) sizes[sizes.length - 1]! += 1
    else sizes.push(1)
  }
  const times = orderTimes(random, sizes.length)
  const orders = sizes.map((size, order) => ({ at: times[order]!, purchases: size }))
  return { userId: `shopper-${String(index + 1).padStart(5, '0')}`, persona, orders, purchases }
}

/** Ascending times of `count` orders, more than a visit apart. Who orders much has been here longer. */
function orderTimes(random: Random, count: number): number[] {
  const daysTotal = (YEAR_END - YEAR_START) / DAY - 1
  const daysNeeded = daysTotal * Math.min(0.9, count / 30)
  const days = daysNeeded + (daysTotal - daysNeeded) * 0.4 * random.uniform()
  // Some were there before the year and some stay beyond it, or the shop would be empty at both ends.
  const place = Math.min(1, Math.max(0, 1.4 * random.uniform() - 0.2))
  const firstDay = place * (daysTotal - days)
  const times = Array.from({ length: count }, () => {
    const day = Math.floor(firstDay + random.uniform() * days)
    const secondOfHour = random.integer(3600)
    return YEAR_START + day * DAY + draw(random, hours) * HOUR + secondOfHour * 1000
  }).sort((a, b) => a - b)
  for (let i = 1; i < count; i++) times[i] = Math.max(times[i]!, times[i - 1]! + VISIT_MAX + MINUTE)
  // A visit before the first midnight of the year would leave it.
  return times.map((at) => at + VISIT_MAX)
}

/** Gives a fixed share of the shoppers a second persona, from an order about the middle of their history on. */
function plantDrifts(random: Random, plans: readonly Plan[]): void {
  const able = plans.filter((plan) => plan.orders.length >= ORDERS_TO_DRIFT_MIN)
  for (const plan of sample(random, { from: able, count: Math.round(plans.length * DRIFTING_SHARE) })) {
    const order = Math.round(plan.orders.length * (0.25 + 0.3 * random.uniform()))
    plan.drift = { persona: PERSONA_KEYS[draw(random, driftRates[plan.persona])]!, order }
  }
}

/** Everything one shopper does in the year, not yet in time order. */
function shopAllYear(random: Random, plan: Plan): Draft[] {
  const { userId } = plan
  const drafts: Draft[] = []
  const staples: CatalogueEntry[] = []
  plan.orders.forEach(({ at, purchases }, index) => {
    const persona = plan.drift !== undefined && index >= plan.drift.order ? plan.drift.persona : plan.persona
    const paidShare = PAID_SHARES[random.integer(PAID_SHARES.length)]!
    const beforeOrder = (type: 'view' | 'cart', product: CatalogueEntry): void => {
      const earlier = at - 1000 * (1 + random.integer(VISIT_MAX / 1000))
      drafts.push({ userId, product, type, quantity: 1, price: product.price, at: earlier })
    }

    if (random.chance(0.14)) beforeOrder('view', pick(random, { persona, at }))
    for (let bought = 0; bought < purchases; bought++) {
      const repeats = staples.length > 0 && random.chance(REPEAT)
      const product = repeats
        ? staples[random.integer(staples.length)]!
        : pick(random, { persona: random.chance(GIFT) ? null : persona, at })
      if (product.staple) staples.push(product)
      if (random.chance(0.11)) beforeOrder('view', product)
      if (random.chance(0.02)) beforeOrder('cart', product)
      drafts.push(...buy(random, { userId, product, paidShare, at }))
    }
  })
  return drafts
}

type Purchase = Pick<Draft, 'userId' | 'product' | 'at'> & { readonly paidShare: number }

/** One purchase and what may come of it: a return or a review, unless it falls past the year's end. */
function buy(random: Random, { userId, product, paidShare, at }: Purchase): Draft[] {
  const quantity = random.chance(product.staple ? 0.3 : 0.06) ? 2 + random.integer(2) : 1
  const price = Math.round(product.price * paidShare * 100) / 100
  const bought: Draft = { userId, product, type: 'purchase', quantity, price, at }
  const later = (daysMax: number): number => at + 2 * DAY + 1000 * random.integer((daysMax * DAY) / 1000)

  let after: Draft | null = null
  if (random.chance(0.033)) {
    after = { ...bought, type: 'return', quantity: 1 + random.integer(quantity), at: later(26) }
  } else if (random.chance(0.025)) {
    after = { ...bought, type: 'review', quantity: 1, at: later(40) }
  }
  return after !== null && after.at < YEAR_END ? [bought, after] : [bought]
}

/** A product on sale at `at`, drawn by a persona's taste, or by popularity alone (null). */
function pick(random: Random, want: { persona: PersonaKey | null; at: number }): CatalogueEntry {
  const taste = want.persona === null ? anyTaste : tastes[want.persona]
  for (let tries = 0; tries < DRAWS_MAX; tries++) {
    const product = CATALOGUE[draw(random, taste)]!
    if (product.launched_at === null || Date.parse(product.launched_at) <= want.at) return product
  }
  throw new Error('nearly nothing of the catalogue is on sale yet')
}

/** A fixed share of the shoppers who have bought enough to be labelled, with their latest persona first. */
function choosePrototypes(random: Random, plans: readonly Plan[]): DemoPrototype[] {
  const able = plans.filter((plan) => plan.purchases >= PURCHASES_OF_PROTOTYPE_MIN)
  const count = Math.max(1, Math.round(plans.length * PROTOTYPE_SHARE))
  return sample(random, { from: able, count }).map(({ userId, persona, drift }) => {
    const first = PERSONAS[persona].name
    if (drift === undefined) return { user_id: userId, personas: [first] }
    const latest = PERSONAS[drift.persona].name
    // Some labellers see both lives of a shopper who drifted, some the latest alone.
    return { user_id: userId, personas: random.chance(0.5) ? { [latest]: 0.7, [first]: 0.3 } : [latest] }
  })
}

function toShopper({ userId, persona, orders, drift }: Plan): DemoShopper {
  const visit = (order: number): string => isoTime(orders[order]!.at - VISIT_MAX)
  const planted = [{ persona: PERSONAS[persona].name as string, from: visit(0) }]
  if (drift !== undefined) planted.push({ persona: PERSONAS[drift.persona].name, from: visit(drift.order) })
  return { user_id: userId, planted }
}

function toEvent({ userId, product, type, quantity, price, at }: Draft, index: number): DemoEvent {
  return {
    event_id: `event-${String(index + 1).padStart(7, '0')}`,
    user_id: userId,
    product_id: product.product_id,
    type,
    quantity,
    price,
    ts: isoTime(at),
    title: product.title,
    category: product.category,
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

function byPersona<T>(make: (key: PersonaKey) => T): Record<PersonaKey, T> {
  return Object.fromEntries(PERSONA_KEYS.map((key) => [key, make(key)])) as Record<PersonaKey, T>
}
