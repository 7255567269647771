// Contract of the store, shared: how a case runs, small rows, odd ids, and everything a reader can see as one value.
import { it } from 'node:test'
import type { Edge } from '../../src/core/edge.ts'
import type { EventId, ProductId, ProductIndex, UserId, UserIndex } from '../../src/core/ids.ts'
import type { PrototypeVersion } from '../../src/core/prototype.ts'
import type * as port from '../../src/store/port.ts'
import { newNeighbours } from '../../src/store/port.ts'

/** `reopen` closes the store and opens what is on disk. */
export type OpenedStore = {
  store: port.Store
  reopen?: () => Promise<port.Store>
  close: () => Promise<void>
}
export type OpenStore = () => Promise<OpenedStore>
export type Check = (store: port.Store) => void

/** Stores under contract are opened with this dedupe horizon. */
export const contractDedupeHorizon = 100

/** A case writes to an empty store and returns what must hold then, and again after close and reopen. */
export function casesOf(open: OpenStore): (name: string, body: (store: port.Store) => Check) => void {
  return (name, body) => {
    it(name, () => withStore(open, (opened) => holdsNowAndReopened(opened, body(opened.store))))
  }
}

export async function withStore(
  open: OpenStore,
  body: (opened: OpenedStore) => Promise<void>,
): Promise<void> {
  const opened = await open()
  try {
    await body(opened)
  } finally {
    await opened.close()
  }
}

export async function holdsNowAndReopened({ store, reopen }: OpenedStore, check: Check): Promise<void> {
  check(store)
  if (reopen === undefined) return
  const again = await reopen()
  try {
    check(again)
  } catch (error) {
    throw new Error(`after close and reopen: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    })
  }
}

export class Undo extends Error {
  override readonly name = 'Undo'
}

/** What `change` returns in a transaction that is then undone. */
export function undone<T>(store: port.Store, change: (tx: port.StoreWriter) => T): T {
  let result: { value: T } | undefined
  try {
    store.transact((tx) => {
      result = { value: change(tx) }
      throw new Undo()
    })
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  return result!.value
}

export const userId = (text: string) => text as UserId
export const productId = (text: string) => text as ProductId
export const eventId = (text: string) => text as EventId

/** Ids to trip over: distinct, well formed, 1 to 256 bytes. */
export const oddIds: readonly string[] = [
  '\u0000',
  'a',
  'a\u0000',
  'a\u0000b',
  '\u0001',
  ' ',
  'a ',
  '0',
  '00',
  '-1',
  '1e3',
  '\n',
  '\r\n',
  '"',
  '\\',
  '/',
  '..',
  '../../etc/passwd',
  'C:\\con<>:"|?*',
  'é',
  'e\u0301',
  '漢',
  '😀',
  '👩‍👩‍👧',
  '\u{10FFFF}',
  '\uFEFF',
  '\uFFFD',
  '\uFFFF',
  '__proto__',
  'constructor',
  'null',
  'x'.repeat(256),
  `${'x'.repeat(255)}y`,
  `y${'x'.repeat(255)}`,
  'x'.repeat(255),
  '😀'.repeat(64),
]

export function edgeOf(net: number): Edge {
  return { net, views: 1, carts: 2, reviews: 3, firstTs: 1000, lastTs: 2000 + Math.abs(net % 1000) }
}

export function userRow(id: string, overrides: Partial<port.UserRow> = {}): port.UserRow {
  return {
    userId: userId(id),
    status: 'unknown',
    method: 'none',
    version: 0,
    sequence: 0,
    weight: 0,
    scoreWeight: 0,
    scores: new Float64Array(0),
    held: [],
    primary: -1,
    position: 0,
    halfWidth: 0,
    epoch: 0,
    probabilities: new Float64Array(0),
    ...overrides,
  }
}

export function productRow(id: string, title?: string): port.ProductRow {
  return { productId: productId(id), title, category: undefined }
}

export function versionOf(version: number): PrototypeVersion {
  return {
    version,
    hash: `hash ${version}`,
    personas: [
      { name: 'Gift Giver', description: 'gives', keywords: ['card', '😀'] },
      { name: '__proto__' },
      { name: 'e\u0301' },
    ],
    shareSums: [2 ** 20, 2 ** 37, 0],
    prototypes: 3,
  }
}

export function addUser(tx: port.StoreWriter, id: string): UserIndex {
  const user = tx.addUser(userId(id))
  tx.putUser(user, userRow(id))
  return user
}

/** `users` users and as many `products`, of fresh ids. */
export function addNodes(
  store: port.Store,
  { users, products }: { users: number; products: number },
): { users: UserIndex[]; products: ProductIndex[] } {
  return store.transact((tx) => {
    const { userIndices, productIndices } = tx.count
    return {
      users: Array.from({ length: users }, (_, i) => addUser(tx, `user ${userIndices + i}`)),
      products: Array.from({ length: products }, (_, i) =>
        tx.addProduct(productRow(`product ${productIndices + i}`)),
      ),
    }
  })
}

export type Entry = { neighbour: number; weight: number }

const neighbours = newNeighbours()

export function productsOf(reader: port.StoreReader, user: UserIndex): Entry[] {
  reader.productsOf(user, neighbours)
  return entriesOf(neighbours)
}

export function buyersOf(reader: port.StoreReader, product: ProductIndex): Entry[] {
  reader.buyersOf(product, neighbours)
  return entriesOf(neighbours)
}

/** The same lists, read slot by slot. */
export function productsAt(reader: port.StoreReader, user: UserIndex): Entry[] {
  return slots(reader.userDegree(user), (slot, into) => reader.productAt(user, slot, into))
}

export function usersAt(reader: port.StoreReader, product: ProductIndex): Entry[] {
  return slots(reader.productDegree(product), (slot, into) => reader.userAt(product, slot, into))
}

function slots(length: number, read: (slot: number, into: Entry) => void): Entry[] {
  return Array.from({ length }, (_, slot) => {
    const entry = { neighbour: -1, weight: -1 }
    read(slot, entry)
    return entry
  })
}

function entriesOf({ length, ids, weights }: port.Neighbours): Entry[] {
  return Array.from({ length }, (_, slot) => ({ neighbour: ids[slot]!, weight: weights[slot]! }))
}

/** Random whole numbers below `below`, from a seed (mulberry32). */
export function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}
