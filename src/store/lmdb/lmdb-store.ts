// LMDB adapter of the store: one synchronous transaction a batch; rows are written once, in key order, at its end.
import { createHmac } from 'node:crypto'
import { assert } from '../../core/assert.ts'
import type { Edge } from '../../core/edge.ts'
import type { EventId, ProductIndex, UserId, UserIndex } from '../../core/ids.ts'
import { idBytesMax, productsMax, usersMax } from '../../core/limits.ts'
import type { PrototypeVersion, ShareList } from '../../core/prototype.ts'
import type { Rng } from '../../core/rng.ts'
import type { WalkEdge } from '../../core/sampled-walk.ts'
import { FatalError } from '../../errors.ts'
import { mapUseOf } from '../../lmdb/open.ts'
import type * as port from '../port.ts'
import { emptyCounters } from '../port.ts'
import { type Environment, openEnvironment, readMeta, type Settings, writeMeta } from './environment.ts'
import { pair, secondOf } from './layout.ts'
import * as rows from './rows.ts'
import { SeenIds } from './seen.ts'
import { SlotLists } from './slot-lists.ts'

/** External ids remembered with their index between transactions. */
const idCacheMax = 200_000
/**
 * Entries of a list's head: a batch's events are of few users, whose lists grow by many entries each (a head of a whole
 * chunk is one read), and of many products, whose lists grow by one or two.
 */
const userBlock = 320
const productBlock = 16
const everything = Number.MAX_SAFE_INTEGER
const noEdge = { key: -1, stored: undefined }

export type LmdbStoreOptions = {
  readonly path: string
  /** Settings that answers depend on: kept with a new store, compared with an old one. */
  readonly settings: Settings
  readonly mapSizeBytes: number
  readonly dedupeHorizon: number
  readonly readOnly?: boolean
}

/** Opens (or makes) the store in the directory `path`. Throws FatalError saying what to do. */
export function openLmdbStore(options: LmdbStoreOptions): LmdbStore {
  return new LmdbStore(openEnvironment(options), options)
}

export class LmdbStore implements port.Store, port.StoreWriter {
  readonly environment: Environment
  count: port.Counters = emptyCounters()
  readonly #options: LmdbStoreOptions
  readonly #userProducts: SlotLists
  readonly #productUsers: SlotLists
  readonly #seen: SeenIds
  readonly #userIds = new Map<string, UserIndex>()
  readonly #productIds = new Map<string, ProductIndex>()
  #erased: Set<string> | undefined
  #erasureKey = ''
  #lastEdge: { key: number; stored: rows.StoredEdge | undefined } = noEdge
  #writing = false

  constructor(environment: Environment, options: LmdbStoreOptions) {
    this.environment = environment
    this.#options = options
    const { edited } = environment
    this.#userProducts = new SlotLists(edited.user_products, userBlock)
    this.#productUsers = new SlotLists(edited.product_users, productBlock)
    this.#erasureKey = readMeta<string>(environment, 'erasure_key') ?? ''
    this.#seen = new SeenIds(edited.seen, { horizon: options.dedupeHorizon, key: this.#erasureKey })
  }

  transact<T>(change: (tx: port.StoreWriter) => T): T {
    assert(!this.#writing, 'transactions do not nest')
    const tables = [...Object.values(this.environment.tables), ...Object.values(this.environment.edited)]
    try {
      return this.environment.env.transactionSync(() => {
        this.#writing = true
        this.#lastEdge = noEdge
        for (const table of tables) table.begin()
        this.count = { ...emptyCounters(), ...readMeta<port.Counters>(this.environment, 'counters') }
        const result = change(this)
        this.#seen.trim(this.count.position)
        for (const table of tables) table.flush()
        writeMeta(this.environment, 'counters', this.count)
        return result
      })
    } catch (error) {
      for (const table of tables) table.abandon()
      this.#seen.unload()
      this.#userIds.clear()
      this.#productIds.clear()
      throw error
    } finally {
      this.#writing = false
      this.#erased = undefined
    }
  }

  async flushed(): Promise<void> {
    await this.environment.env.flushed
  }

  async close(): Promise<void> {
    if (this.#options.readOnly !== true) await this.flushed()
    await this.environment.env.close()
  }

  /** Bytes of the memory map that are in use, and its size. */
  mapUse(): { used: number; size: number } {
    return mapUseOf(this.environment.env)
  }

  counters(): Readonly<port.Counters> {
    if (this.#writing) return this.count
    return { ...emptyCounters(), ...readMeta<port.Counters>(this.environment, 'counters') }
  }

  // Users

  userIndexOf(userId: string): UserIndex | undefined {
    return indexOf(this.environment.named.user_ids, userId, this.#writing ? this.#userIds : undefined)
  }

  user(user: UserIndex): port.UserRow | undefined {
    const bytes = this.environment.tables.users.get(user)
    return bytes && rows.decodeUser(bytes)
  }

  users(): Iterable<UserIndex> {
    return this.environment.tables.users.keys(0, everything) as Iterable<UserIndex>
  }

  addUser(userId: UserId): UserIndex {
    const index = this.count.userIndices++
    if (index >= usersMax) throw new FatalError(`the store has given all its ${usersMax} user indices`)
    this.count.users++
    putIndex(this.environment.named.user_ids, userId, index)
    this.#userIds.set(userId, index as UserIndex)
    return index as UserIndex
  }

  putUser(user: UserIndex, row: port.UserRow): void {
    this.environment.tables.users.put(user, rows.encodeUser(row))
  }

  removeUser(user: UserIndex): void {
    const row = this.user(user)
    assert(row !== undefined, 'a user to remove')
    this.environment.named.user_ids.remove(row.userId)
    this.#userIds.delete(row.userId)
    this.environment.tables.users.remove(user)
    this.count.users--
  }

  // Products

  productIndexOf(productId: string): ProductIndex | undefined {
    return indexOf(
      this.environment.named.product_ids,
      productId,
      this.#writing ? this.#productIds : undefined,
    )
  }

  product(product: ProductIndex): port.ProductRow | undefined {
    const bytes = this.environment.tables.products.get(product)
    return bytes && rows.decodeProduct(bytes)
  }

  products(): Iterable<ProductIndex> {
    return this.environment.tables.products.keys(0, everything) as Iterable<ProductIndex>
  }

  addProduct(row: port.ProductRow): ProductIndex {
    const index = this.count.productIndices++
    if (index >= productsMax)
      throw new FatalError(`the store has given all its ${productsMax} product indices`)
    this.count.products++
    putIndex(this.environment.named.product_ids, row.productId, index)
    this.#productIds.set(row.productId, index as ProductIndex)
    this.putProduct(index as ProductIndex, row)
    return index as ProductIndex
  }

  putProduct(product: ProductIndex, row: port.ProductRow): void {
    this.environment.tables.products.put(product, rows.encodeProduct(row))
  }

  // Edges and adjacency

  edge(user: UserIndex, product: ProductIndex): Edge | undefined {
    return this.#storedEdge(user, product)?.edge
  }

  *edgesOf(user: UserIndex): Iterable<{ product: ProductIndex; edge: Edge }> {
    for (const key of [...this.environment.tables.edges.keys(pair(user, 0), pair(user + 1, 0))]) {
      const product = secondOf(key) as ProductIndex
      yield { product, edge: this.#storedEdge(user, product)!.edge }
    }
  }

  productsOf(user: UserIndex, into: port.Neighbours): void {
    this.#userProducts.all(user, into)
  }

  buyersOf(product: ProductIndex, into: port.Neighbours): void {
    this.#productUsers.all(product, into)
  }

  userDegree(user: UserIndex): number {
    return this.#userProducts.length(user)
  }

  productDegree(product: ProductIndex): number {
    return this.#productUsers.length(product)
  }

  productAt(user: UserIndex, slot: number, into: WalkEdge): void {
    this.#userProducts.at(user, slot, into)
  }

  userAt(product: ProductIndex, slot: number, into: WalkEdge): void {
    this.#productUsers.at(product, slot, into)
  }

  drawProduct(user: UserIndex, rng: Rng, into: WalkEdge): boolean {
    return this.#userProducts.draw(user, rng, into)
  }

  drawUser(product: ProductIndex, rng: Rng, into: WalkEdge): boolean {
    return this.#productUsers.draw(product, rng, into)
  }

  putEdge(user: UserIndex, product: ProductIndex, edge: Edge | undefined, weight: number): void {
    const before = this.#storedEdge(user, product)
    this.#lastEdge = noEdge
    let userSlot = before?.userSlot ?? rows.noSlot
    let productSlot = before?.productSlot ?? rows.noSlot
    if (weight > 0 && userSlot === rows.noSlot) {
      userSlot = this.#userProducts.append(user, { neighbour: product, weight })
      productSlot = this.#productUsers.append(product, { neighbour: user, weight })
      this.count.edges++
    } else if (weight > 0) {
      this.#userProducts.set(user, userSlot, { neighbour: product, weight })
      this.#productUsers.set(product, productSlot, { neighbour: user, weight })
    } else if (userSlot !== rows.noSlot) {
      this.#unlist({ user, product, userSlot, productSlot })
      userSlot = productSlot = rows.noSlot
      this.count.edges--
    }
    const key = pair(user, product)
    if (edge === undefined) this.environment.tables.edges.remove(key)
    else this.environment.tables.edges.put(key, rows.encodeEdge({ edge, userSlot, productSlot }))
  }

  /** Takes an edge out of both lists; the edges whose entries move into its places learn their new slots. */
  #unlist(at: { user: UserIndex; product: ProductIndex; userSlot: number; productSlot: number }): void {
    const movedProduct = this.#userProducts.remove(at.user, at.userSlot)
    if (movedProduct >= 0) this.#moveSlot(pair(at.user, movedProduct), 'userSlot', at.userSlot)
    const movedUser = this.#productUsers.remove(at.product, at.productSlot)
    if (movedUser >= 0) this.#moveSlot(pair(movedUser, at.product), 'productSlot', at.productSlot)
  }

  #moveSlot(key: number, side: 'userSlot' | 'productSlot', slot: number): void {
    const bytes = this.environment.tables.edges.get(key)
    assert(bytes !== undefined, 'the edge of a listed entry')
    this.environment.tables.edges.put(key, rows.encodeEdge({ ...rows.decodeEdge(bytes), [side]: slot }))
  }

  /** The edge read last is what is written next: it is read once. */
  #storedEdge(user: UserIndex, product: ProductIndex): rows.StoredEdge | undefined {
    const key = pair(user, product)
    if (this.#writing && this.#lastEdge.key === key) return this.#lastEdge.stored
    const bytes = this.environment.tables.edges.get(key)
    const stored = bytes && rows.decodeEdge(bytes)
    this.#lastEdge = { key, stored }
    return stored
  }

  // Prototype-set versions

  vector(version: number, product: ProductIndex): port.VectorRow | undefined {
    const bytes = this.environment.tables.vectors.get(pair(version, product))
    return bytes && rows.decodeVector(bytes)
  }

  putVector(version: number, product: ProductIndex, row: port.VectorRow): void {
    this.environment.tables.vectors.put(pair(version, product), rows.encodeVector(row))
  }

  version(version: number): PrototypeVersion | undefined {
    const bytes = this.environment.tables.versions.get(version)
    return bytes && (JSON.parse(bytes.toString('utf8')) as PrototypeVersion)
  }

  putVersion(version: PrototypeVersion): void {
    this.environment.tables.versions.put(version.version, Buffer.from(JSON.stringify(version)))
  }

  /** Drops vectors and labels; the version's names stay for change events that speak of it. */
  dropVersion(version: number): void {
    const { vectors, labels } = this.environment.tables
    for (const table of [vectors, labels])
      for (const key of [...table.keys(pair(version, 0), pair(version + 1, 0))]) table.remove(key)
  }

  *labels(version: number): Iterable<{ userIndex: UserIndex; shares: ShareList }> {
    const { labels } = this.environment.tables
    for (const key of [...labels.keys(pair(version, 0), pair(version + 1, 0))])
      yield { userIndex: secondOf(key) as UserIndex, shares: rows.decodeShares(labels.get(key)!) }
  }

  putLabels(version: number, user: UserIndex, shares: ShareList): void {
    this.environment.tables.labels.put(pair(version, user), rows.encodeShares(shares))
  }

  dropLabels(version: number, user: UserIndex): void {
    this.environment.tables.labels.remove(pair(version, user))
  }

  pendingImport(): port.PendingImport | undefined {
    return readMeta<port.PendingImport | null>(this.environment, 'pending_import') ?? undefined
  }

  *pendingLabels(): Iterable<{ userId: UserId; shares: ShareList }> {
    const { labels } = this.environment.tables
    for (const key of [...labels.keys(pair(0, 0), pair(1, 0))])
      yield JSON.parse(labels.get(key)!.toString('utf8')) as { userId: UserId; shares: ShareList }
  }

  putPendingImport(
    pending: port.PendingImport,
    labels: Iterable<{ userId: UserId; shares: ShareList }>,
  ): void {
    this.dropPendingImport()
    writeMeta(this.environment, 'pending_import', pending)
    let ordinal = 0
    for (const label of labels)
      this.environment.tables.labels.put(pair(0, ordinal++), Buffer.from(JSON.stringify(label)))
  }

  dropPendingLabel(userId: string): void {
    const { labels } = this.environment.tables
    for (const key of [...labels.keys(pair(0, 0), pair(1, 0))]) {
      const label = JSON.parse(labels.get(key)!.toString('utf8')) as { userId: UserId }
      if (label.userId === userId) labels.remove(key)
    }
  }

  dropPendingImport(): void {
    writeMeta(this.environment, 'pending_import', null)
    this.dropVersion(0)
  }

  // Stream: dedupe, watermarks, journal, outbox

  seenBefore(eventId: EventId, position: number): boolean {
    return this.#seen.seenBefore(eventId, position)
  }

  watermark(source: string): number {
    return this.environment.named.watermarks.get(source)?.readDoubleLE(0) ?? 0
  }

  watermarks(): Readonly<Record<string, number>> {
    const entries: [string, number][] = []
    for (const { key, value } of this.environment.named.watermarks.getRange({ start: '' }))
      entries.push([key, value.readDoubleLE(0)])
    return Object.fromEntries(entries)
  }

  setWatermark(source: string, next: number): void {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleLE(next, 0)
    this.environment.named.watermarks.put(source, bytes)
  }

  *journal(): Iterable<port.JournalEntry> {
    const { journal } = this.environment.tables
    for (const key of [...journal.keys(0, everything)]) yield parse(journal.get(key)!)
  }

  addJournal(entry: port.JournalEntry): void {
    const { journal } = this.environment.tables
    const key = readMeta<number>(this.environment, 'journal_last') ?? -1
    const bytes = journal.get(Math.max(key, 0))
    const last = bytes && parse<port.JournalEntry>(bytes)
    const extends_ = last?.source === entry.source && last.to === entry.from
    const next = extends_ ? key : key + 1
    if (!extends_) writeMeta(this.environment, 'journal_last', next)
    const merged = extends_ && last !== undefined ? { ...last, to: entry.to } : entry
    journal.put(next, Buffer.from(JSON.stringify(merged)))
  }

  changes(from: number, limit: number): port.ChangeRow[] {
    const { outbox } = this.environment.tables
    const found: port.ChangeRow[] = []
    if (limit === 0) return found
    for (const number of outbox.keys(from, everything)) {
      const bytes = outbox.get(number)!
      found.push({ number, userIndex: bytes.readUInt32LE(0) as UserIndex, json: bytes.toString('utf8', 4) })
      if (found.length === limit) break
    }
    return found
  }

  addChange(userIndex: UserIndex, json: string): void {
    const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(json))
    bytes.writeUInt32LE(userIndex, 0)
    bytes.write(json, 4, 'utf8')
    this.environment.tables.outbox.put(this.count.changes++, bytes)
  }

  removeChangesOf(user: UserIndex): void {
    const { outbox } = this.environment.tables
    for (const key of [...outbox.keys(0, everything)])
      if (outbox.get(key)?.readUInt32LE(0) === user) outbox.remove(key)
  }

  trimChanges(before: number): void {
    const { outbox } = this.environment.tables
    for (const key of [...outbox.keys(0, before)]) outbox.remove(key)
  }

  sinkCursor(name: string): port.SinkCursor | undefined {
    const bytes = this.environment.named.sinks.get(name)
    return bytes && parse(bytes)
  }

  setSinkCursor(name: string, cursor: port.SinkCursor): void {
    this.environment.named.sinks.put(name, Buffer.from(JSON.stringify(cursor)))
  }

  // Quarantine and erasure

  quarantinedRecords(from: number, limit: number): port.QuarantinedRecord[] {
    const { quarantine } = this.environment.tables
    const found: port.QuarantinedRecord[] = []
    for (const key of quarantine.keys(from, everything)) {
      if (found.length >= limit) break
      found.push(rows.decodeQuarantined(key, quarantine.get(key)!))
    }
    return found
  }

  quarantinedRecord(id: number): port.QuarantinedRecord | undefined {
    const bytes = this.environment.tables.quarantine.get(id)
    return bytes && rows.decodeQuarantined(id, bytes)
  }

  addQuarantined(record: Omit<port.QuarantinedRecord, 'id'>): number {
    const id = this.count.quarantineIds++
    this.count.quarantined++
    this.environment.tables.quarantine.put(id, rows.encodeQuarantined(record))
    return id
  }

  updateQuarantined(record: port.QuarantinedRecord): void {
    this.environment.tables.quarantine.put(record.id, rows.encodeQuarantined(record))
  }

  removeQuarantined(id: number): void {
    if (this.environment.tables.quarantine.get(id) === undefined) return
    this.environment.tables.quarantine.remove(id)
    this.count.quarantined--
  }

  tombstone(userId: string): port.Tombstone | undefined {
    if (!userId.isWellFormed()) return undefined
    const bytes = this.environment.named.tombstones.get(this.#hashOf(userId))
    return bytes && parse(bytes)
  }

  tombstoneCount(): number {
    const erased = this.#erased ?? new Set(this.environment.named.tombstones.getKeys({ start: '' }))
    if (this.#writing) this.#erased = erased // a transaction sees what it started from; a reader looks again
    return erased.size
  }

  putTombstone(userId: string, tombstone: port.Tombstone): void {
    this.environment.named.tombstones.put(this.#hashOf(userId), Buffer.from(JSON.stringify(tombstone)))
    this.#erased = undefined
  }

  #hashOf(userId: string): string {
    return createHmac('sha256', this.#erasureKey).update(userId).digest('hex')
  }

  scrubs(): { id: number; scrub: port.Scrub }[] {
    const { scrubs } = this.environment.tables
    return [...scrubs.keys(0, everything)].map((id) => ({ id, scrub: parse<port.Scrub>(scrubs.get(id)!) }))
  }

  addScrub(scrub: port.Scrub): void {
    const { scrubs } = this.environment.tables
    const last = [...scrubs.keys(0, everything)].at(-1) ?? -1
    scrubs.put(last + 1, Buffer.from(JSON.stringify(scrub)))
  }

  removeScrub(id: number): void {
    this.environment.tables.scrubs.remove(id)
  }
}

function parse<T>(bytes: Buffer): T {
  return JSON.parse(bytes.toString('utf8')) as T
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
  const found = table.getBinaryFast(id)?.readUInt32LE(0) as I | undefined
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
