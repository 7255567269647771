// The part of the LMDB store that keeps edges, and each user's and product's live ones in slot lists.
import { assert } from '../../core/assert.ts'
import type { Edge } from '../../core/edge.ts'
import type { ProductIndex, UserIndex } from '../../core/ids.ts'
import type { Rng } from '../../core/rng.ts'
import type { WalkEdge } from '../../core/sampled-walk.ts'
import type * as port from '../port.ts'
import type { Environment } from './environment.ts'
import { pair } from './layout.ts'
import { noSlot, type StoredEdge } from './rows.ts'
import { productLists, SlotLists, userLists } from './slot-lists.ts'
import type { TransactionState } from './transaction.ts'
import { UserEdges } from './user-edges.ts'

const noEdge = { key: -1, stored: undefined }

type EdgeMethods =
  | 'edge'
  | 'edgesOf'
  | 'productsOf'
  | 'buyersOf'
  | 'userDegree'
  | 'productDegree'
  | 'productAt'
  | 'userAt'
  | 'drawProduct'
  | 'drawUser'
  | 'putEdge'

/** `forgetLast` is called when a transaction begins. */
export function edgeTables(
  environment: Environment,
  state: TransactionState,
): Pick<port.StoreWriter, EdgeMethods> & { forgetLast(): void } {
  const edges = new UserEdges(environment.edited.user_edges)
  const userProducts = new SlotLists(environment.edited.user_products, userLists)
  const productUsers = new SlotLists(environment.edited.product_users, productLists)
  let last: { key: number; stored: StoredEdge | undefined } = noEdge

  /** The edge read last is what is written next: it is read once. */
  function storedEdge(user: UserIndex, product: ProductIndex): StoredEdge | undefined {
    const key = pair(user, product)
    if (state.writing && last.key === key) return last.stored
    const stored = edges.get(user, product)
    last = state.writing ? { key, stored } : noEdge
    return stored
  }

  /** Takes an edge out of both lists; the edges whose entries move into its places learn their new slots. */
  function unlist(at: {
    user: UserIndex
    product: ProductIndex
    userSlot: number
    productSlot: number
  }): void {
    const movedProduct = userProducts.remove(at.user, at.userSlot)
    if (movedProduct >= 0) moveSlot(at.user, movedProduct as ProductIndex, { userSlot: at.userSlot })
    const movedUser = productUsers.remove(at.product, at.productSlot)
    if (movedUser >= 0) moveSlot(movedUser as UserIndex, at.product, { productSlot: at.productSlot })
  }

  function moveSlot(user: UserIndex, product: ProductIndex, to: Partial<StoredEdge>): void {
    const stored = edges.get(user, product)
    assert(stored !== undefined, 'the edge of a listed entry')
    edges.put(user, product, { ...stored, ...to })
  }

  return {
    forgetLast() {
      last = noEdge
      edges.begin()
    },

    edge(user: UserIndex, product: ProductIndex): Edge | undefined {
      return storedEdge(user, product)?.edge
    },

    edgesOf(user: UserIndex): Iterable<{ product: ProductIndex; edge: Edge }> {
      return edges
        .all(user)
        .map(({ product, stored }) => ({ product, edge: stored.edge }))
        .sort((a, b) => a.product - b.product)
    },

    productsOf(user: UserIndex, into: port.Neighbours): void {
      userProducts.all(user, into)
    },

    buyersOf(product: ProductIndex, into: port.Neighbours): void {
      productUsers.all(product, into)
    },

    userDegree(user: UserIndex): number {
      return userProducts.length(user)
    },

    productDegree(product: ProductIndex): number {
      return productUsers.length(product)
    },

    productAt(user: UserIndex, slot: number, into: WalkEdge): void {
      userProducts.at(user, slot, into)
    },

    userAt(product: ProductIndex, slot: number, into: WalkEdge): void {
      productUsers.at(product, slot, into)
    },

    drawProduct(user: UserIndex, rng: Rng, into: WalkEdge): boolean {
      return userProducts.draw(user, rng, into)
    },

    drawUser(product: ProductIndex, rng: Rng, into: WalkEdge): boolean {
      return productUsers.draw(product, rng, into)
    },

    putEdge(user: UserIndex, product: ProductIndex, edge: Edge | undefined, weight: number): void {
      const before = storedEdge(user, product)
      last = noEdge
      let userSlot = before?.userSlot ?? noSlot
      let productSlot = before?.productSlot ?? noSlot
      if (weight > 0 && userSlot === noSlot) {
        userSlot = userProducts.append(user, { neighbour: product, weight })
        productSlot = productUsers.append(product, { neighbour: user, weight })
        state.count.edges++
      } else if (weight > 0) {
        userProducts.set(user, userSlot, { neighbour: product, weight })
        productUsers.set(product, productSlot, { neighbour: user, weight })
      } else if (userSlot !== noSlot) {
        unlist({ user, product, userSlot, productSlot })
        userSlot = productSlot = noSlot
        state.count.edges--
      }
      if (edge === undefined) edges.remove(user, product)
      else edges.put(user, product, { edge, userSlot, productSlot })
    },
  }
}
