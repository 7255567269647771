// One run of the stages: what they share while a batch is in its transaction.
import type { RecordRef } from '../core/event.ts'
import type { UserIndex } from '../core/ids.ts'
import { addScaled, type Row, scoreTotal } from '../core/walk.ts'
import type { StoreWriter, UserRow } from '../store/port.ts'
import type { Engine } from './engine.ts'
import { refreshProbabilities } from './odds.ts'

/** The record being applied: its name in change events, and the stream time at which its changes occur. */
export type RecordCause = {
  readonly eventId: string
  readonly ref: RecordRef
  readonly ts: number
  readonly position: number
}

export type Run = { readonly engine: Engine; readonly tx: StoreWriter }

/** A user's slot in hot memory, walked anew over edges and published vectors if it was not there. */
export function heat({ engine, tx }: Run, user: UserIndex): number {
  const slot = engine.users.slotOf(user)
  if (slot !== undefined) return slot
  const row = tx.user(user)
  if (row === undefined) throw new Error(`user index ${user} has no row`)
  return warm({ engine, tx }, user, row)
}

/** Makes a user hot from its row; users are dropped, and what must be kept of them written, when memory is full. */
export function warm(run: Run, user: UserIndex, row: UserRow): number {
  const { engine, tx } = run
  if (engine.users.full) {
    writeDirty(run, false)
    engine.users.clear()
  }
  const slot = engine.users.add(user, row)
  if (engine.active.labels.has(user)) return slot
  const { neighbours, products, active } = engine
  const personas = active.names.length
  tx.productsOf(user, neighbours)
  const score = { values: engine.users.scores, offset: slot * personas }
  let weight = 0
  for (let i = 0; i < neighbours.length; i++) {
    const vector = products.published(neighbours.ids[i] as never, { store: tx, version: active.meta.version })
    addScaled(score, vector, { weight: neighbours.weights[i]!, personas })
    weight += neighbours.weights[i]!
  }
  engine.users.weight[slot] = weight
  engine.users.move(slot, distance(score, row, personas), engine.policy.delta)
  return slot
}

/** ||q − q as stored||₁ of a user just walked anew: what repairs moved since its row was written. */
function distance(score: Row, { method, scores }: UserRow, personas: number): number {
  if (method === 'sampled') return 0 // the stored answer is a snapshot
  const now = scoreTotal(score, personas)
  const then = scoreTotal({ values: scores, offset: 0 }, scores.length)
  if (now === 0 || then === 0) return now === then ? 0 : 2
  let moved = 0
  for (let c = 0; c < personas; c++)
    moved += Math.abs(score.values[score.offset + c]! / now - scores[c]! / then)
  return moved
}

/** Writes the rows of this batch's touched users; with `all`, also of those that only moved within delta. */
export function writeDirty({ engine, tx }: Run, all: boolean): void {
  const refresh = (slot: number) => refreshProbabilities({ engine, tx }, slot)
  for (const { user, row } of engine.users.takeDirty({ position: tx.count.position, refresh }, all))
    tx.putUser(user, row)
}
