// Erasure: the user's edges, answer, labels, change events and influence go; what follows for others is emitted.
import { quarantinedMentionsUser } from '../codec/mentions-user.ts'
import { edgeWeight } from '../core/edge.ts'
import type { UserId } from '../core/ids.ts'
import type { StoreWriter } from '../store/port.ts'
import { followDegree } from './prototype-edges.ts'
import { movePrototypeEdges } from './publish.ts'
import { type RecordCause, type Run, writeDirty } from './run.ts'

/** Erases `userId` as of the record consumed at `cause.position`; false when no such user is known. */
export function eraseUser(
  run: Run,
  userId: UserId,
  { cause, logOffset }: { cause: RecordCause; logOffset: number },
): boolean {
  const { engine, tx } = run
  eraseQuarantined(tx, userId)
  tx.dropPendingLabel(userId)
  const user = tx.userIndexOf(userId)
  if (user === undefined) {
    engine.shadow?.forget(userId)
    tx.addScrub({ userId, before: logOffset }) // quarantined records of theirs may stand in the log
    return false
  }
  writeDirty(run, false) // a user first seen in this batch has no row yet
  const { version } = engine.active.meta
  const shares = engine.active.labels.get(user)
  const degree = tx.userDegree(user)
  engine.users.forget(user)
  const edges = [...tx.edgesOf(user)].map(({ product, edge }) => ({
    product,
    weight: edgeWeight(edge, engine.policy.repeat),
  }))
  for (const { product, weight } of edges) {
    tx.putEdge(user, product, undefined, 0)
    engine.shadow?.follow(userId, product, -weight)
  }
  engine.shadow?.forget(userId)
  tx.dropLabelNote(version, user)
  if (shares !== undefined) {
    engine.active.labels.delete(user)
    tx.dropLabels(version, user)
    if (degree > 0) followDegree(engine.prototypes, { change: -degree, degree: 0 })
    const moves = edges
      .filter(({ weight }) => weight > 0)
      .map(({ product, weight }) => ({ product, change: -weight, shares }))
    movePrototypeEdges(run, moves, cause)
  }
  tx.removeChangesOf(user)
  if (tx.sinkCursors().some(({ erasures }) => erasures)) tx.addErasure(userId)
  tx.removeUser(user)
  tx.putTombstone(userId, {
    position: cause.position,
    watermarks: { ...tx.watermarks(), [cause.ref.source]: logOffset },
  })
  tx.addScrub({ userId, before: logOffset })
  return true
}

/** Removes quarantined records that speak of the user, readable or not. */
function eraseQuarantined(tx: StoreWriter, userId: string): void {
  for (let from = 0; ; ) {
    const page = tx.quarantinedRecords(from, 256)
    if (page.length === 0) return
    for (const record of page) if (quarantinedMentionsUser(record, userId)) tx.removeQuarantined(record.id)
    from = page[page.length - 1]!.id + 1
  }
}
