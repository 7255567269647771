// The part of the LMDB store that keeps users and products: their ids, indices and rows.
import { assert } from '../../core/assert.ts'
import type { ProductIndex, UserId, UserIndex } from '../../core/ids.ts'
import { idBytesMax, productsMax, usersMax } from '../../core/limits.ts'
import { FatalError } from '../../errors.ts'
import type * as port from '../port.ts'
import type { Environment } from './environment.ts'
import { everything } from './layout.ts'
import { decodeProduct, decodeUser, encodeProduct, encodeUser } from './rows.ts'
import { idCacheMax, type TransactionState } from './transaction.ts'

type NodeMethods =
  | 'userIndexOf'
  | 'user'
  | 'userSeen'
  | 'userIsAs'
  | 'users'
  | 'addUser'
  | 'putUser'
  | 'removeUser'
  | 'productIndexOf'
  | 'product'
  | 'products'
  | 'addProduct'
  | 'putProduct'

export function nodeTables(
  environment: Environment,
  state: TransactionState,
): Pick<port.StoreWriter, NodeMethods> {
  const nodes: Pick<port.StoreWriter, NodeMethods> = {
    userIndexOf(userId: string): UserIndex | undefined {
      return indexOf(environment.named.user_ids, userId, state.writing ? state.userIds : undefined)
    },

    user(user: UserIndex): port.UserRow | undefined {
      const bytes = environment.tables.users.get(user)
      return bytes && decodeUser(bytes)
    },

    userSeen: (user: UserIndex) => environment.tables.users.seen(user),
    userIsAs: (user: UserIndex, seen: port.SeenRow) => environment.tables.users.isAs(user, seen),

    users(): Iterable<UserIndex> {
      return environment.tables.users.keys(0, everything) as Iterable<UserIndex>
    },

    addUser(userId: UserId): UserIndex {
      const index = state.count.userIndices++
      if (index >= usersMax) throw new FatalError(`the store has given all its ${usersMax} user indices`)
      state.count.users++
      putIndex(environment.named.user_ids, userId, index)
      state.userIds.set(userId, index as UserIndex)
      return index as UserIndex
    },

    putUser(user: UserIndex, row: port.UserRow): void {
      environment.tables.users.put(user, encodeUser(row))
    },

    removeUser(user: UserIndex): void {
      const row = nodes.user(user)
      assert(row !== undefined, 'a user to remove')
      environment.named.user_ids.remove(row.userId)
      state.userIds.delete(row.userId)
      environment.tables.users.remove(user)
      state.count.users--
    },

    productIndexOf(productId: string): ProductIndex | undefined {
      return indexOf(environment.named.product_ids, productId, state.writing ? state.productIds : undefined)
    },

    product(product: ProductIndex): port.ProductRow | undefined {
      const bytes = environment.tables.products.get(product)
      return bytes && decodeProduct(bytes)
    },

    products(): Iterable<ProductIndex> {
      return environment.tables.products.keys(0, everything) as Iterable<ProductIndex>
    },

    addProduct(row: port.ProductRow): ProductIndex {
      const index = state.count.productIndices++
      if (index >= productsMax)
        throw new FatalError(`the store has given all its ${productsMax} product indices`)
      state.count.products++
      putIndex(environment.named.product_ids, row.productId, index)
      state.productIds.set(row.productId, index as ProductIndex)
      nodes.putProduct(index as ProductIndex, row)
      return index as ProductIndex
    },

    putProduct(product: ProductIndex, row: port.ProductRow): void {
      environment.tables.products.put(product, encodeProduct(row))
    },
  }
  return nodes
}

type IdTable = Environment['named']['user_ids']

function indexOf<I extends number>(
  table: IdTable,
  id: string,
  cache: Map<string, I> | undefined,
): I | undefined {
  const cached = cache?.get(id)
  if (cached !== undefined) return cached
  if (id.length === 0 || id.length > idBytesMax || !id.isWellFormed()) return undefined // no such id can be
  const found = table.get(id)?.readUInt32LE(0) as I | undefined
  if (found !== undefined && cache !== undefined) {
    if (cache.size >= idCacheMax) cache.clear()
    cache.set(id, found)
  }
  return found
}

function putIndex(table: IdTable, id: string, index: number): void {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(index, 0)
  table.put(id, bytes)
}
