// Port of the store: the state of the graph and of the stream, changed by one transaction a batch.
// Callers may rely on: a transaction is applied whole or not at all (a throw undoes it); reads inside it see its own
// writes; reads outside it see one committed state for as long as the calling code does not await.
import type { ContentFit } from '../core/content.ts'
import type { Edge } from '../core/edge.ts'
import type { Epoch } from '../core/epoch.ts'
import type { EventId, ProductId, ProductIndex, UserId, UserIndex } from '../core/ids.ts'
import type { Method, Status } from '../core/persona.ts'
import type { LabelNote, PrototypeVersion, ShareList } from '../core/prototype.ts'
import type { Rng } from '../core/rng.ts'
import type { WalkEdge } from '../core/sampled-walk.ts'

/** Live edges (w > 0) of one node into reusable memory: [0, length) of both arrays; order is slot order. */
export type Neighbours = { length: number; ids: Uint32Array; weights: Uint16Array }

/**
 * The answer held for one user: what a lookup reads, in one row, and what the engine continues from.
 * `scores` has C entries of the row's version: exact method: S(u), with `scoreWeight` W(u); sampled: sum of b̂ over
 * walks, with `scoreWeight` the number of walks; prototype: label shares; none: empty. q = scores / sum(scores).
 */
export type UserRow = {
  readonly userId: UserId
  readonly status: Status
  readonly method: Method
  readonly version: number
  readonly sequence: number
  /** W(u), thousandths. */
  readonly weight: number
  readonly scoreWeight: number
  readonly scores: Float64Array
  /** Held personas by index, with stream time (ms) since when. */
  readonly held: readonly { readonly persona: number; readonly since: number }[]
  /** Index of the primary persona, −1 for none. */
  readonly primary: number
  /** Position after which the row was written, exact scores being S(u) as of then; of a sampled answer its own position. */
  readonly position: number
  /** Widest 95 % interval of a sampled q, ±; 0 otherwise. */
  readonly halfWidth: number
  /** Epoch that the user was decided under, 0 for none; and the probabilities then, C entries (none without an epoch). */
  readonly epoch: number
  readonly probabilities: Float64Array
}

/** What a product was called when words were fitted (or when it was first seen after): its words under that fit. */
export type FormerText = {
  /** Number of the content fit. */
  readonly head: number
  readonly title: string | undefined
  readonly category: string | undefined
}

export type ProductRow = {
  readonly productId: ProductId
  readonly title: string | undefined
  readonly category: string | undefined
  /**
   * Texts that it had under content fits, by their number, where another came after: of two fits, for while users are
   * decided anew under the newest, some answers are still of the one before.
   */
  readonly former?: readonly FormerText[] | undefined
}

export type LabelledRow = {
  readonly userIndex: UserIndex
  readonly shares: ShareList
  readonly note: LabelNote
}
export type PendingLabel = { readonly userId: UserId; readonly shares: ShareList; readonly note?: LabelNote }

/** A product's vector in one version: M(p) thousandths, B(p) in thousandths × 2⁻²⁰, b̂(p) in 2⁻²⁴ (C entries each). */
export type VectorRow = { mass: number; b: Float64Array; published: Float64Array; publishedAt: number }

export type Counters = {
  /** Known users, products, and live edges now. */
  users: number
  products: number
  edges: number
  /** Indices given so far; indices are never given again. */
  userIndices: number
  productIndices: number
  /** Records consumed over all sources, in commit order: the position of the next record. */
  position: number
  /** Greatest event time applied, ms; −1 before the first. */
  streamTs: number
  /** Change events written so far: the number of the next. */
  changes: number
  /** Quarantined records so far: the id of the next. */
  quarantineIds: number
  /** Records in quarantine now. */
  quarantined: number
  /** Active prototype-set version; 0 before the first. */
  version: number
  /** Version numbers given so far; a number is never given again, also when its import was taken back. */
  versions: number
  /** The epoch that users are decided under, 0 for none; epochs and content fits made so far. */
  epoch: number
  epochs: number
  heads: number
  /** Users by index from this one on, below the end, are still to be decided under the epoch. */
  sweepNext: number
  sweepEnd: number
  /**
   * Users whose walk was computed or repaired so far, by each record once: the buyer whose edge changed its weight, the
   * buyers of what was re-published, everybody with a live edge at a switch. Prototypes are not walked, and walking
   * anew who was not in hot memory is no re-walk: the number does not depend on how much of it there is.
   */
  rewalks: number
}

export type JournalEntry = {
  readonly source: string
  readonly from: number
  readonly to: number
  readonly position: number
}
export type ChangeRow = { readonly number: number; readonly userIndex: UserIndex; readonly json: string }
export type QuarantinedRecord = {
  readonly id: number
  readonly source: string
  readonly offset: number
  readonly format: string
  readonly cause: string
  readonly bytes: Uint8Array
  /** What the source said of the record beside its bytes, as JSON, for a source that has more to say. */
  readonly envelope?: string | undefined
}
/** An erased user, by keyed hash: records below these watermarks are theirs of before, and stay blocked. */
export type Tombstone = { readonly position: number; readonly watermarks: Readonly<Record<string, number>> }
/**
 * How far a sink has come. `feed`: what the number counts (change rows unless it says quarantine ids); `erasures`: the
 * sink wants to be told of erased users.
 */
export type SinkCursor = {
  readonly next: number
  readonly feed?: 'quarantine'
  readonly erasures?: boolean
}
/** An erased user whose erasure some sink must be told of, at its place in the order of change rows. */
export type ErasureRow = { readonly number: number; readonly userId: string }
export type NamedSinkCursor = SinkCursor & { readonly name: string }
/** Bytes of an erased user still to be removed from the embedded log, below this offset. */
export type Scrub = { readonly userId: string; readonly before: number }
/** A version imported and not yet switched to; the id by which its shadow is built. */
export type PendingImport = { readonly version: PrototypeVersion; readonly at: number | undefined }

/** A row as it was kept, and a stamp by which it is known again, which the store renews. */
export type SeenRow = { readonly bytes: Buffer; stamp: number }

export type StoreReader = {
  counters(): Readonly<Counters>
  userIndexOf(userId: string): UserIndex | undefined
  user(user: UserIndex): UserRow | undefined
  /** The row as it is kept now, to be held against later; undefined for no row, and while that cannot be told. */
  userSeen?(user: UserIndex): SeenRow | undefined
  /** Whether there is a row, and it is as it was seen: false also where that cannot be told. */
  userIsAs?(user: UserIndex, seen: SeenRow): boolean
  /** Indices of known users, ascending. */
  users(): Iterable<UserIndex>
  productIndexOf(productId: string): ProductIndex | undefined
  product(product: ProductIndex): ProductRow | undefined
  products(): Iterable<ProductIndex>
  edge(user: UserIndex, product: ProductIndex): Edge | undefined
  /** Every stored edge of a user, live or not. */
  edgesOf(user: UserIndex): Iterable<{ product: ProductIndex; edge: Edge }>
  productsOf(user: UserIndex, into: Neighbours): void
  buyersOf(product: ProductIndex, into: Neighbours): void
  userDegree(user: UserIndex): number
  productDegree(product: ProductIndex): number
  /** The live edge at `slot` of the list, O(1) at any degree. */
  productAt(user: UserIndex, slot: number, into: WalkEdge): void
  userAt(product: ProductIndex, slot: number, into: WalkEdge): void
  /** A live edge drawn evenly, O(1) at any degree; false when there is none. */
  drawProduct(user: UserIndex, rng: Rng, into: WalkEdge): boolean
  drawUser(product: ProductIndex, rng: Rng, into: WalkEdge): boolean
  vector(version: number, product: ProductIndex): VectorRow | undefined
  version(version: number): PrototypeVersion | undefined
  pendingImport(): PendingImport | undefined
  labels(version: number): Iterable<{ userIndex: UserIndex; shares: ShareList }>
  /** Held-out users of a version with their labels, and what is noted of labels, prototypes' or not. */
  heldOut(version: number): Iterable<LabelledRow>
  labelNote(version: number, user: UserIndex): LabelNote | undefined
  pendingLabels(): Iterable<PendingLabel>
  epoch(epoch: number): Epoch | undefined
  contentFit(head: number): ContentFit | undefined
  watermark(source: string): number
  /** Writer schema by its key, as JSON; undefined for one that no record needed yet. */
  schema(key: string): string | undefined
  watermarks(): Readonly<Record<string, number>>
  journal(): Iterable<JournalEntry>
  /** Change rows from number `from`, ascending, `limit` at the most. */
  changes(from: number, limit: number): ChangeRow[]
  /** Change rows below this number were dropped for their age: who reads from further back has missed some. */
  changesBegin(): number
  /** Erasures still to be told of, from number `from` on and below `before`, ascending. */
  erasures(from: number, before: number): ErasureRow[]
  sinkCursor(name: string): SinkCursor | undefined
  /** The cursors of all sinks that ever took change rows. */
  sinkCursors(): readonly NamedSinkCursor[]
  quarantinedRecords(from: number, limit: number): QuarantinedRecord[]
  quarantinedRecord(id: number): QuarantinedRecord | undefined
  tombstone(userId: string): Tombstone | undefined
  tombstoneCount(): number
  scrubs(): { id: number; scrub: Scrub }[]
}

export type StoreWriter = StoreReader & {
  /** The counters, to be changed in place; kept with the transaction. */
  readonly count: Counters
  addUser(userId: UserId): UserIndex
  putUser(user: UserIndex, row: UserRow): void
  addProduct(row: ProductRow): ProductIndex
  putProduct(product: ProductIndex, row: ProductRow): void
  /** Sets an edge and its weight in both lists; weight 0 leaves the lists, undefined removes the edge. */
  putEdge(user: UserIndex, product: ProductIndex, edge: Edge | undefined, weight: number): void
  putVector(version: number, product: ProductIndex, row: VectorRow): void
  dropVersion(version: number): void
  putVersion(version: PrototypeVersion): void
  putLabels(version: number, user: UserIndex, shares: ShareList): void
  dropLabels(version: number, user: UserIndex): void
  /** Notes a label; a held-out user's shares stand here and nowhere else. */
  putLabelNote(version: number, user: UserIndex, noted: { shares: ShareList; note: LabelNote }): void
  dropLabelNote(version: number, user: UserIndex): void
  putEpoch(epoch: Epoch): void
  /** Keeps the epochs and content fits from these numbers on. */
  dropEpochs(before: { epoch: number; head: number }): void
  putContentFit(head: number, fit: ContentFit): void
  putPendingImport(pending: PendingImport, labels: Iterable<PendingLabel>): void
  dropPendingLabel(userId: string): void
  dropPendingImport(): void
  /** Removes a user's row and id; their edges and labels are removed before, one by one. */
  removeUser(user: UserIndex): void
  /** Whether an event id is remembered at `position`: within the horizon before it. Asking changes nothing. */
  seen(eventId: EventId, position: number): boolean
  /** Remembers an event id that is not remembered yet as of `position`, which has no other. */
  remember(eventId: EventId, position: number): void
  setWatermark(source: string, next: number): void
  putSchema(key: string, schema: string): void
  addJournal(entry: JournalEntry): void
  /** Keeps the newest `entries` of the journal. */
  trimJournal(entries: number): void
  addChange(userIndex: UserIndex, json: string): void
  removeChangesOf(user: UserIndex): void
  /** Drops change rows below `before`. */
  trimChanges(before: number): void
  /** Takes the next number of the change rows for an erasure that sinks must be told of. */
  addErasure(userId: string): void
  /** Drops erasures below `before`. */
  trimErasures(before: number): void
  setSinkCursor(name: string, cursor: SinkCursor): void
  /** Forgets a sink, known or not: change rows wait for it no longer. */
  dropSinkCursor(name: string): void
  addQuarantined(record: Omit<QuarantinedRecord, 'id'>): number
  updateQuarantined(record: QuarantinedRecord): void
  removeQuarantined(id: number): void
  putTombstone(userId: string, tombstone: Tombstone): void
  addScrub(scrub: Scrub): void
  removeScrub(id: number): void
}

export type Store = StoreReader & {
  /** Runs `change` in one transaction, synchronously; what it throws undoes everything and is thrown on. */
  transact<T>(change: (tx: StoreWriter) => T): T
  /** Resolves when every commit so far is on disk. */
  flushed(): Promise<void>
  close(): Promise<void>
}

export function newNeighbours(): Neighbours {
  return { length: 0, ids: new Uint32Array(1024), weights: new Uint16Array(1024) }
}

/** Room for `capacity` entries, keeping what is there. */
export function ensureCapacity(list: Neighbours, capacity: number): void {
  if (list.ids.length >= capacity) return
  const size = Math.max(capacity, list.ids.length * 2)
  const ids = new Uint32Array(size)
  const weights = new Uint16Array(size)
  ids.set(list.ids)
  weights.set(list.weights)
  list.ids = ids
  list.weights = weights
}

export function emptyCounters(): Counters {
  return {
    users: 0,
    products: 0,
    edges: 0,
    userIndices: 0,
    productIndices: 0,
    position: 0,
    streamTs: -1,
    changes: 0,
    quarantineIds: 0,
    quarantined: 0,
    version: 0,
    versions: 0,
    epoch: 0,
    epochs: 0,
    heads: 0,
    sweepNext: 0,
    sweepEnd: 0,
    rewalks: 0,
  }
}

/**
 * Title and category whose words stand for a product under a content fit: those that were replaced first since that fit,
 * or else the ones it has.
 */
export function textUnder(
  row: ProductRow,
  head: number,
): { readonly title: string | undefined; readonly category: string | undefined } {
  return row.former?.find((text) => text.head >= head) ?? row
}

/** The former texts of a product whose text changes while words are those of `head` (0: none are fitted). */
export function formerTexts(before: ProductRow, head: number): readonly FormerText[] | undefined {
  if (head === 0) return before.former
  const former = before.former ?? []
  if (former.at(-1)?.head === head) return former
  return [...former.slice(-1), { head, title: before.title, category: before.category }]
}
