// Stages apply → affected → walk → decide of one event, inside the batch's transaction.
import { affectedBy } from '../core/affected.ts'
import { edgeAfter, edgeWeight, edgeWeightMaxOf, overflows } from '../core/edge.ts'
import type { RecordRef, ShopEvent } from '../core/event.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { userWeightMax } from '../core/limits.ts'
import { addScaled } from '../core/walk.ts'
import { InvalidRecordError } from '../errors.ts'
import { formerTexts, type ProductRow, type StoreWriter, type UserRow } from '../store/port.ts'
import { calibrateIfDue, sweep } from './calibrate.ts'
import { decideUser } from './decide-user.ts'
import { repairContent } from './odds.ts'
import { followDegree } from './prototype-edges.ts'
import { movePrototypeEdges } from './publish.ts'
import { heat, type RecordCause, type Run, warm } from './run.ts'

export type Outcome = 'applied' | 'duplicate' | 'blocked'

/** Where an event came from: its own ref, and the source and offset it is consumed at (a log may carry a file's lines). */
export type Origin = { readonly ref: RecordRef; readonly consumed: RecordRef }

/**
 * Applies one event. Throws InvalidRecordError before anything changed when it cannot be applied; its id is not
 * remembered then, so that it is no duplicate of itself when it is tried again.
 */
export function applyEvent(run: Run, event: ShopEvent, { ref, consumed }: Origin): Outcome {
  const { engine, tx } = run
  const known = tx.userIndexOf(event.userId)
  if (tx.tombstoneCount() > 0 && isBlocked(tx, event.userId, consumed)) return 'blocked'
  if (tx.seen(event.eventId, tx.count.position)) return 'duplicate'
  const knownProduct = tx.productIndexOf(event.productId)
  const before = known === undefined || knownProduct === undefined ? undefined : tx.edge(known, knownProduct)
  if (overflows(before, event))
    throw new InvalidRecordError(
      `quantity ${event.quantity} takes the edge's net quantity out of the whole numbers`,
    )
  const weightBefore = edgeWeight(before, engine.policy.repeat)
  const after = edgeAfter(before, event)
  const weightAfter = edgeWeight(after, engine.policy.repeat)
  if (weightAfter > weightBefore) checkWeight(run, known, weightAfter - weightBefore)

  tx.remember(event.eventId, tx.count.position)
  const cause: RecordCause = { eventId: event.eventId, ref, ts: event.ts, position: tx.count.position }
  if (event.ts > tx.count.streamTs) tx.count.streamTs = event.ts
  const user = known ?? addUser(run, event.userId)
  const product = productOf(run, knownProduct, event)
  tx.putEdge(user, product, after, weightAfter)
  followPrototype(run, user, { weightBefore, weightAfter })
  walkAffected(run, { user, product, change: weightAfter - weightBefore, cause, event })
  sweep(run, cause)
  calibrateIfDue(run)
  return 'applied'
}

/** Counts the evidence that fits are made of. */
function followPrototype(
  { engine, tx }: Run,
  user: UserIndex,
  { weightBefore, weightAfter }: { weightBefore: number; weightAfter: number },
): void {
  const change = Number(weightAfter > 0) - Number(weightBefore > 0)
  if (change === 0 || !engine.active.labels.has(user)) return
  followDegree(engine.prototypes, { change, degree: tx.userDegree(user) })
}

function walkAffected(
  run: Run,
  {
    user,
    product,
    change,
    cause,
    event,
  }: { user: UserIndex; product: ProductIndex; change: number; cause: RecordCause; event: ShopEvent },
): void {
  const { engine } = run
  const shares = engine.active.labels.get(user)
  engine.shadow?.follow(event.userId, product, change)
  const byPrototype = shares !== undefined
  if (byPrototype && change !== 0) movePrototypeEdges(run, [{ product, change, shares }], cause)
  if (affectedBy({ byPrototype, republished: false }) === 'the buyer')
    walkBuyer(run, { user, product, change, cause })
}

/** The buyer's own walk: S += Δw·b̂(p), W += Δw, or anew when not hot; then its decision. */
function walkBuyer(
  run: Run,
  {
    user,
    product,
    change,
    cause,
  }: { user: UserIndex; product: ProductIndex; change: number; cause: RecordCause },
): void {
  const { engine, tx } = run
  const { users, products, active } = engine
  const personas = active.names.length
  let slot = users.slotOf(user)
  if (slot === undefined) slot = heat(run, user)
  else if (change !== 0) {
    const vector = products.published(product, { store: tx, version: active.meta.version })
    addScaled({ values: users.scores, offset: slot * personas }, vector, { weight: change, personas })
    repairContent(run, slot, { product, weight: change })
    users.weight[slot]! += change
  }
  if (change !== 0) {
    tx.count.rewalks++
    users.touch(slot)
  }
  const epoch = engine.calibrated?.epoch.epoch ?? 0
  const due = change !== 0 || users.method(slot) !== 'exact' || users.epoch[slot] !== epoch
  if (due) decideUser(run, slot, { cause, touch: 'own event' })
  if (users.method(slot) === 'sampled') users.touch(slot)
}

/** W(u) has a limit, so that S(u) stays exact; a prototype's too, for a later version may have them walked. */
function checkWeight(run: Run, user: UserIndex | undefined, change: number): void {
  if (user === undefined) return
  const { labels } = run.engine.active
  const weight = labels.has(user)
    ? prototypeWeight(run, user, change)
    : run.engine.users.weight[heat(run, user)]!
  if (weight + change > userWeightMax)
    throw new InvalidRecordError(`the user has as many products as one user can (W of ${weight})`)
}

/** W(u) of a prototype, for whom none is kept; no more than an upper bound where that is enough: one small read. */
function prototypeWeight({ engine, tx }: Run, user: UserIndex, change: number): number {
  const most = tx.userDegree(user) * edgeWeightMaxOf(engine.policy.repeat)
  if (most + change <= userWeightMax) return most
  const { neighbours } = engine
  tx.productsOf(user, neighbours)
  let weight = 0
  for (let i = 0; i < neighbours.length; i++) weight += neighbours.weights[i]!
  return weight
}

function isBlocked(tx: StoreWriter, userId: string, { source, offset }: RecordRef): boolean {
  const tombstone = tx.tombstone(userId)
  return tombstone !== undefined && offset < (tombstone.watermarks[source] ?? 0)
}

/** A user seen for the first time: unknown, holding nothing. */
export function addUser(run: Run, userId: ShopEvent['userId']): UserIndex {
  const user = run.tx.addUser(userId)
  const row: UserRow = {
    userId,
    status: 'unknown',
    method: 'none',
    version: run.engine.active.meta.version,
    sequence: 0,
    weight: 0,
    scoreWeight: 0,
    scores: new Float64Array(run.engine.active.names.length),
    held: [],
    primary: -1,
    position: run.tx.count.position,
    halfWidth: 0,
    epoch: 0,
    probabilities: new Float64Array(0),
  }
  run.engine.users.touch(warm(run, user, row))
  return user
}

/** Products whose title is remembered between events. */
const titlesMax = 50_000

/** The event's product, made on first sight; its title and category are the latest ones given. */
function productOf(
  { engine: { titles, calibrated }, tx }: Run,
  known: ProductIndex | undefined,
  event: ShopEvent,
): ProductIndex {
  const { productId, title, category } = event
  const remembered = known === undefined ? undefined : titles.get(known)
  const before = known === undefined ? undefined : (remembered ?? tx.product(known))
  if (before !== undefined && same(before, event)) {
    if (remembered === undefined) remember(titles, known!, before)
    return known!
  }
  const row = {
    productId,
    title: title ?? before?.title,
    category: category ?? before?.category,
    former: before && formerTexts(before, calibrated?.epoch.head ?? 0),
  }
  const product = known ?? tx.addProduct(row)
  if (known !== undefined) tx.putProduct(product, row)
  remember(titles, product, row)
  return product
}

function same(row: ProductRow, { title, category }: ShopEvent): boolean {
  return (title ?? row.title) === row.title && (category ?? row.category) === row.category
}

function remember(titles: Map<ProductIndex, ProductRow>, product: ProductIndex, row: ProductRow): void {
  if (titles.size >= titlesMax) titles.clear()
  titles.set(product, row)
}
