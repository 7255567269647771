// Shoppers as a labeller sees them, read from a snapshot of the store.
import type { UserIndex } from '../core/ids.ts'
import type { StoreReader } from '../store/port.ts'
import type { BasketLine, Shopper } from './port.ts'

/**
 * What a user has bought and not returned: products of positive net quantity, by title (by product id where the shop
 * gave no title). `times` is that net quantity, because it is what an edge keeps: it counts units, not visits, so that
 * a wholesaler's 144 mugs are 144 times. Labellers are told so, or weigh it by its logarithm. Views, carts and reviews
 * are no purchases and are left out.
 */
export function shopperOf(store: StoreReader, user: UserIndex): Shopper {
  const basket: BasketLine[] = []
  for (const { product, edge } of store.edgesOf(user)) {
    if (edge.net <= 0) continue
    const { title, productId } = store.product(product)!
    basket.push({ title: title?.trim() || productId, times: edge.net, lastTs: edge.lastTs })
  }
  basket.sort(byTimesThenTitle)
  return { userId: store.user(user)!.userId, basket }
}

/** Every user with at least `productsMin` products bought, in order of first sight. */
export function* shoppersOf(store: StoreReader, productsMin: number): Generator<Shopper> {
  for (const user of store.users()) {
    if (store.userDegree(user) < productsMin) continue // live edges are at least as many as purchases
    const shopper = shopperOf(store, user)
    if (shopper.basket.length >= productsMin) yield shopper
  }
}

/** A fixed order, so that one purchase history is one prompt however the store lists it. */
function byTimesThenTitle(a: BasketLine, b: BasketLine): number {
  return b.times - a.times || b.lastTs - a.lastTs || (a.title < b.title ? -1 : a.title > b.title ? 1 : 0)
}
