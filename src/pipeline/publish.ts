// Stages affected and walk of a prototype's event: its product's vector moves; once past delta the product is
// re-published and its buyers are re-walked, within the same event.
import { assertWhole } from '../core/assert.ts'
import { oddsReach } from '../core/decide.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { decisionReach } from '../core/persona.ts'
import type { ShareList } from '../core/prototype.ts'
import { exactVector, mustPublish, publishedDrift, rhoOf, roundVector } from '../core/vector.ts'
import { addScaled, scoreTotal } from '../core/walk.ts'
import { newNeighbours, type VectorRow } from '../store/port.ts'
import { decideUser } from './decide-user.ts'
import { heat, type RecordCause, type Run } from './run.ts'

const buyers = newNeighbours()

/** What became of a prototype's edge: w changed by `change`, thousandths. */
export type PrototypeMove = {
  readonly product: ProductIndex
  readonly change: number
  readonly shares: ShareList
}

/**
 * M += Δw, B += Δw·l for each edge that one record changed; what is due is re-published, and the buyers of all of it
 * are repaired first and decided after, once each: one record makes at most one change event a user.
 */
export function movePrototypeEdges(run: Run, moves: Iterable<PrototypeMove>, cause: RecordCause): void {
  const touched: UserIndex[] = []
  let published = 0
  for (const move of moves)
    if (moveEdge(run, move, cause)) {
      repairBuyers(run, move.product, touched)
      published++
    }
  const { users, calibrated } = run.engine
  const epoch = calibrated?.epoch.epoch ?? 0
  const options = { cause, touch: 're-walk' } as const
  for (const user of published > 1 ? new Set(touched) : touched) {
    run.tx.count.rewalks++
    const slot = users.slotOf(user)
    const asDecided = slot !== undefined && users.slack[slot]! > 0 && users.epoch[slot] === epoch
    if (asDecided) continue // certainly
    decideUser(run, heat(run, user), options)
  }
}

/** b̂new − b̂old of the product published last, its L1 norm and its reach, in units of 2⁻²⁴. */
let shift = new Float64Array(0)
let shiftNorm = 0
let shiftReach = 0

/** One edge into its product's vector; true when the product was re-published (by `shift`). */
function moveEdge(
  { engine, tx }: Run,
  { product, change, shares }: PrototypeMove,
  cause: RecordCause,
): boolean {
  const { active, policy } = engine
  const personas = active.names.length
  const vector = tx.vector(active.meta.version, product) ?? newVector(personas)
  vector.mass += change
  for (const { persona, share } of shares) {
    vector.b[persona]! += change * share
    assertWhole(vector.b[persona]!, 'B(p)')
  }
  const exact = new Float64Array(personas)
  exactVector({ mass: vector.mass, b: vector.b, offset: 0 }, active.policy, exact)
  const due = mustPublish(
    { mass: vector.mass, exact, published: vector.published, offset: 0 },
    { ...active.policy, delta: policy.delta },
  )
  if (due) {
    shift = vector.published.map((value) => -value)
    roundVector(exact, vector.published, 0)
    for (let c = 0; c < personas; c++) shift[c]! += vector.published[c]!
    shiftNorm = shift.reduce((sum, value) => sum + Math.abs(value), 0)
    shiftReach = engine.calibrated === undefined ? decisionReach(shift, policy.decision) : oddsReach(shift)
    vector.publishedAt = cause.position
    engine.products.publish(product, vector.published)
    engine.tally.publications++
  } else if (vector.mass > 0) {
    const drift = publishedDrift(exact, vector.published, 0) / rhoOf(vector.mass, policy.kappa)
    engine.tally.drift = Math.max(engine.tally.drift, drift)
  }
  tx.putVector(active.meta.version, product, vector)
  return due
}

export function newVector(personas: number): VectorRow {
  return { mass: 0, b: new Float64Array(personas), published: new Float64Array(personas), publishedAt: 0 }
}

/** Every new user who bought the product follows its publication: S += w·shift where S is hot; not hot, S is walked anew. */
function repairBuyers(run: Run, product: ProductIndex, touched: UserIndex[]): void {
  const { engine, tx } = run
  const personas = shift.length
  tx.buyersOf(product, buyers)
  const { users, active, policy } = engine
  const by = { values: shift, offset: 0 }
  const score = { values: users.scores, offset: 0 }
  const scale = { weight: 0, personas }
  for (let i = 0; i < buyers.length; i++) {
    const user = buyers.ids[i] as UserIndex
    const slot = users.slotOf(user)
    const isPrototype = slot === undefined ? active.labels.has(user) : users.status(slot) === 'prototype'
    if (isPrototype) continue
    touched.push(user)
    if (slot === undefined) continue
    score.offset = slot * personas
    scale.weight = buyers.weights[i]!
    addScaled(score, by, scale)
    users.slack[slot]! -= scale.weight * shiftReach
    // ||q' − q||₁ ≤ 2·||ΔS||₁ / sum(S'): both q are S over its sum
    const total = scoreTotal(score, personas)
    users.move(slot, total > 0 ? (2 * scale.weight * shiftNorm) / total : 2, policy.delta)
  }
}
