// Users, products and the edges between them, in memory.
import { assert } from '../../core/assert.ts'
import type { ProductIndex, UserId, UserIndex } from '../../core/ids.ts'
import type { ProductRow, StoreWriter, UserRow } from '../port.ts'
import { MemoryGraph } from './memory-graph.ts'
import { ascendingKeys, type MemoryState } from './undo.ts'

export function nodesPart(state: MemoryState) {
  const graph = new MemoryGraph(state.undo)
  return { ...usersPart(state, graph), ...productsPart(state, graph), ...edgesPart(state, graph) }
}

function usersPart({ undo, count }: MemoryState, graph: MemoryGraph) {
  const indices = new Map<string, UserIndex>()
  const ids = new Map<UserIndex, UserId>()
  const rows = new Map<UserIndex, UserRow>()
  return {
    userIndexOf: (userId) => indices.get(userId),
    user: (user) => copyOf(rows.get(user)),
    users: () => ascendingKeys(rows),
    addUser(userId) {
      assert(!indices.has(userId), 'a user is added once')
      const user = count.userIndices++ as UserIndex
      count.users++
      undo.set(indices, userId, user)
      undo.set(ids, user, userId)
      graph.users.addNode(user)
      return user
    },
    putUser(user, row) {
      assert(ids.get(user) === row.userId, 'the row of a known user')
      undo.set(rows, user, copyOf(row))
    },
    removeUser(user) {
      const userId = ids.get(user)
      assert(userId !== undefined, 'a user to remove')
      undo.set(indices, userId, undefined)
      undo.set(ids, user, undefined)
      undo.set(rows, user, undefined)
      graph.users.removeNode(user)
      count.users--
    },
  } satisfies Partial<StoreWriter>
}

function productsPart({ undo, count }: MemoryState, graph: MemoryGraph) {
  const indices = new Map<string, ProductIndex>()
  const rows = new Map<ProductIndex, ProductRow>()
  const putProduct = (product: ProductIndex, row: ProductRow) =>
    undo.set(rows, product, Object.freeze({ ...row }))
  return {
    productIndexOf: (productId) => indices.get(productId),
    product: (product) => rows.get(product),
    products: () => ascendingKeys(rows),
    addProduct(row) {
      assert(!indices.has(row.productId), 'a product is added once')
      const product = count.productIndices++ as ProductIndex
      count.products++
      undo.set(indices, row.productId as string, product)
      graph.products.addNode(product)
      putProduct(product, row)
      return product
    },
    putProduct,
  } satisfies Partial<StoreWriter>
}

function edgesPart({ count }: MemoryState, graph: MemoryGraph) {
  return {
    edge: (user, product) => graph.edge(user, product),
    edgesOf: (user) => graph.edgesOf(user),
    productsOf: (user, into) => graph.users.all(user, into),
    buyersOf: (product, into) => graph.products.all(product, into),
    userDegree: (user) => graph.users.length(user),
    productDegree: (product) => graph.products.length(product),
    productAt: (user, slot, into) => graph.users.at(user, slot, into),
    userAt: (product, slot, into) => graph.products.at(product, slot, into),
    drawProduct: (user, rng, into) => graph.users.draw(user, rng, into),
    drawUser: (product, rng, into) => graph.products.draw(product, rng, into),
    putEdge(user, product, edge, weight) {
      count.edges += graph.putEdge(user, product, edge, weight)
    },
  } satisfies Partial<StoreWriter>
}

function copyOf<R extends UserRow | undefined>(row: R): R {
  return (
    row && {
      ...row,
      scores: row.scores.slice(),
      probabilities: row.probabilities.slice(),
      held: row.held.map((entry) => ({ ...entry })),
    }
  )
}
