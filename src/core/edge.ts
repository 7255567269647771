// An edge (user, product): what one user did with one product, and the weight that the walk gives it.
import { assert, unreachable } from './assert.ts'
import type { ShopEvent } from './event.ts'
import { interactionCountMax, netQuantityMax } from './limits.ts'

/** `net` is a plain, unclamped sum: order does not matter and a return before its purchase is no special case. */
export type Edge = {
  readonly net: number
  readonly views: number
  readonly carts: number
  readonly reviews: number
  readonly firstTs: number
  readonly lastTs: number
}

export type RepeatPolicy = 'once' | 'sum'

/** Weights in whole thousandths, by interaction type. */
export const typeWeights = { purchase: 1000, cart: 500, view: 300, review: 300 } as const

/** Largest weight an edge can have, thousandths. */
export function edgeWeightMaxOf(repeat: RepeatPolicy): number {
  const { purchase, cart, view, review } = typeWeights
  return repeat === 'once' ? purchase : purchase + cart + view + review
}

/** Smallest weight a live edge can have, thousandths. */
export const edgeWeightMin = Math.min(...Object.values(typeWeights))

/** The edge after `event`; undefined when nothing is left of it, so that an event and its undoing leave no trace. */
export function edgeAfter(edge: Edge | undefined, event: ShopEvent): Edge | undefined {
  const { type, quantity, ts } = event
  const before = edge ?? { net: 0, views: 0, carts: 0, reviews: 0, firstTs: ts, lastTs: ts }
  const net = before.net + netChange(event)
  const views = count(before.views, type === 'view')
  const carts = count(before.carts, type === 'cart')
  const reviews = count(before.reviews, type === 'review')
  assert(quantity > 0 && Math.abs(net) <= netQuantityMax, 'net quantity checked before apply')
  if (net === 0 && views === 0 && carts === 0 && reviews === 0) return undefined
  return {
    net,
    views,
    carts,
    reviews,
    firstTs: Math.min(before.firstTs, ts),
    lastTs: Math.max(before.lastTs, ts),
  }
}

/** Would `event` take the edge's net quantity out of the whole numbers? Such an event is quarantined. */
export function overflows(edge: Edge | undefined, event: ShopEvent): boolean {
  return Math.abs((edge?.net ?? 0) + netChange(event)) > netQuantityMax
}

/** w(u,p) in thousandths. `once`: the largest weight among the live interactions (the paper's); `sum`: each once. */
export function edgeWeight(edge: Edge | undefined, repeat: RepeatPolicy): number {
  if (edge === undefined) return 0
  const purchase = edge.net > 0 ? typeWeights.purchase : 0
  const cart = edge.carts > 0 ? typeWeights.cart : 0
  const view = edge.views > 0 ? typeWeights.view : 0
  const review = edge.reviews > 0 ? typeWeights.review : 0
  switch (repeat) {
    case 'once':
      return Math.max(purchase, cart, view, review)
    case 'sum':
      return purchase + cart + view + review
    default:
      return unreachable(repeat)
  }
}

function netChange({ type, quantity }: ShopEvent): number {
  return type === 'purchase' ? quantity : type === 'return' ? -quantity : 0
}

function count(before: number, happened: boolean): number {
  return happened ? Math.min(before + 1, interactionCountMax) : before
}
