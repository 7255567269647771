// Edges packed by user, so that a batch's events, which are of few users, write few rows: each user's edges lie in
// buckets by a hash of the product, a row a bucket, edited in place. One more bucket is made whenever they are full on
// average (linear hashing, Litwin 1980), so finding, adding or changing one of a hub's edges costs as in a list of one.
import { assert } from '../../core/assert.ts'
import type { ProductIndex, UserIndex } from '../../core/ids.ts'
import type { EditedRow, EditedTable } from './edited-table.ts'
import { pair } from './layout.ts'
import { edgeBytes, productOfEdge, readEdge, type StoredEdge, writeEdge } from './rows.ts'

/** A user's first bucket begins with two u32: how many edges and how many buckets they have. */
const headerBytes = 8
/** Edges of a bucket on average before there is one more: with their spread, few rows outgrow half a page of LMDB. */
const fullEdges = 20

/** Where an edge is, or would be: in which bucket of how many, and at which byte (−1: it is not there). */
type Place = { bucket: number; buckets: number; at: number }

export class UserEdges {
  readonly #table: EditedTable
  /** Where the edge asked for last is: it is what is written next, and is searched once. */
  readonly #found: { user: number; product: number } & Place = {
    user: -1,
    product: -1,
    bucket: 0,
    buckets: 1,
    at: -1,
  }

  constructor(table: EditedTable) {
    this.#table = table
  }

  /** Forgets what was found: a transaction begins. */
  begin(): void {
    this.#found.user = -1
  }

  get(user: UserIndex, product: ProductIndex): StoredEdge | undefined {
    const { bucket, at } = this.#find(user, product)
    return at < 0 ? undefined : readEdge(this.#table.read(pair(user, bucket))!.view, at)
  }

  /** Every edge of a user, in no order that means anything. */
  all(user: UserIndex): { product: ProductIndex; stored: StoredEdge }[] {
    const found: { product: ProductIndex; stored: StoredEdge }[] = []
    const buckets = this.#bucketsOf(user)
    for (let bucket = 0; bucket < buckets; bucket++) {
      const row = this.#table.read(pair(user, bucket))
      if (row === undefined) continue
      for (let at = startOf(bucket); at < row.length; at += edgeBytes)
        found.push({ product: productOfEdge(row.view, at) as ProductIndex, stored: readEdge(row.view, at) })
    }
    return found
  }

  put(user: UserIndex, product: ProductIndex, stored: StoredEdge): void {
    const { bucket, buckets, at } =
      this.#found.user === user && this.#found.product === product ? this.#found : this.#find(user, product)
    if (at >= 0) {
      writeEdge(this.#table.edit(pair(user, bucket), 0).view, at, product, stored)
      return
    }
    this.#found.user = -1
    const first = this.#table.edit(pair(user, 0), headerBytes)
    const row = bucket === 0 ? first : this.#table.edit(pair(user, bucket), 0)
    const end = row.length
    this.#table.grow(row, end + edgeBytes)
    writeEdge(row.view, end, product, stored)
    const count = first.view.getUint32(0, true) + 1
    first.view.setUint32(0, count, true)
    first.view.setUint32(4, buckets, true)
    if (count > buckets * fullEdges) this.#split(user, buckets)
  }

  remove(user: UserIndex, product: ProductIndex): void {
    const { bucket, buckets, at } = this.#find(user, product)
    this.#found.user = -1
    if (at < 0) return
    this.#take(user, bucket, at)
    const first = this.#table.edit(pair(user, 0), headerBytes)
    const count = first.view.getUint32(0, true) - 1
    first.view.setUint32(0, count, true)
    if (count > 0) return
    for (let bucket = 0; bucket < buckets; bucket++) this.#table.remove(pair(user, bucket))
  }

  #bucketsOf(user: UserIndex): number {
    return this.#table.read(pair(user, 0))?.view.getUint32(4, true) ?? 0
  }

  #find(user: UserIndex, product: ProductIndex): Place {
    const found = this.#found
    const first = this.#table.read(pair(user, 0))
    found.user = user
    found.product = product
    found.buckets = first === undefined ? 1 : first.view.getUint32(4, true)
    found.bucket = bucketOf(product, found.buckets)
    const row = found.bucket === 0 ? first : this.#table.read(pair(user, found.bucket))
    found.at = row === undefined ? -1 : placeIn(row, found.bucket, product)
    return found
  }

  /** Takes an edge out of a bucket: the last one takes its place. */
  #take(user: UserIndex, bucket: number, at: number): void {
    const row = this.#table.edit(pair(user, bucket), 0)
    const last = row.length - edgeBytes
    assert(at <= last, 'edge within its bucket')
    row.bytes.copy(row.bytes, at, last, last + edgeBytes)
    row.length = last
    if (last === 0) this.#table.remove(pair(user, bucket))
  }

  /** One more bucket: it takes its edges out of the one that stood for both. */
  #split(user: UserIndex, bucket: number): void {
    this.#table.edit(pair(user, 0), 0).view.setUint32(4, bucket + 1, true)
    const before = bucket - 2 ** (31 - Math.clz32(bucket))
    if (this.#table.read(pair(user, before)) === undefined) return
    const from = this.#table.edit(pair(user, before), 0)
    const to = this.#table.edit(pair(user, bucket), 0)
    let end = startOf(before)
    for (let at = end; at < from.length; at += edgeBytes) {
      const stays = bucketOf(productOfEdge(from.view, at), bucket + 1) === before
      if (!stays) this.#table.grow(to, to.length + edgeBytes)
      from.bytes.copy(stays ? from.bytes : to.bytes, stays ? end : to.length - edgeBytes, at, at + edgeBytes)
      if (stays) end += edgeBytes
    }
    from.length = end
    if (end === 0) this.#table.remove(pair(user, before))
    if (to.length === 0) this.#table.remove(pair(user, bucket))
  }
}

function startOf(bucket: number): number {
  return bucket === 0 ? headerBytes : 0
}

/** The byte at which the product's edge lies in its bucket, −1 if it is not there. */
function placeIn({ view, length }: EditedRow, bucket: number, product: number): number {
  for (let at = startOf(bucket); at < length; at += edgeBytes)
    if (productOfEdge(view, at) === product) return at
  return -1
}

/** A product's bucket of `buckets`: what is not there yet is still in the bucket of half as many. */
function bucketOf(product: number, buckets: number): number {
  if (buckets === 1) return 0
  let h = Math.imul(product ^ (product >>> 16), 0x21f0aaad)
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97)
  h ^= h >>> 15
  const size = 2 ** (32 - Math.clz32(buckets - 1))
  const bucket = h & (size - 1)
  return bucket < buckets ? bucket : bucket & (size / 2 - 1)
}
