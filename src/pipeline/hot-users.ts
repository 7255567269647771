// Users kept hot: S(u), W(u) and what is held, in flat arrays by slot. Scores are derived state: a user that is not
// hot needs no repair, its S comes out exact when it is next walked over edges and published vectors.
import { assert } from '../core/assert.ts'
import type { UserId, UserIndex } from '../core/ids.ts'
import { type Method, methods, type Status, statuses } from '../core/persona.ts'
import type { SampledScores } from '../core/sampled-walk.ts'
import type { UserRow } from '../store/port.ts'

/** Bytes of a user beside scores and held flags: id, map entry, small fields. */
const overheadBytes = 240

export type HeldSince = Map<number, number>

export class HotUsers {
  readonly personas: number
  readonly #slotsMax: number
  readonly #slots = new Map<UserIndex, number>()
  #used = 0
  /** S(u) rows of C entries, and 0/1 held flags likewise. */
  scores: Float64Array
  held: Uint8Array
  readonly index: UserIndex[] = []
  readonly userId: UserId[] = []
  readonly weight: number[] = []
  readonly sequence: number[] = []
  readonly primary: number[] = []
  readonly since: HeldSince[] = []
  readonly sampled: (SampledScores | undefined)[] = []
  readonly #status: number[] = []
  readonly #method: number[] = []
  /** Upper bound of ||q − q as written||₁. */
  readonly #drift: number[] = []
  /** Slots whose row must be written with this batch, and slots that moved less than a lookup may be off. */
  readonly #dirty = new Set<number>()
  readonly #unsaved = new Set<number>()

  constructor(personas: number, bytesMax: number) {
    this.personas = personas
    this.#slotsMax = Math.max(64, Math.floor(bytesMax / (personas * 9 + overheadBytes)))
    this.scores = new Float64Array(64 * personas)
    this.held = new Uint8Array(64 * personas)
  }

  slotOf(user: UserIndex): number | undefined {
    return this.#slots.get(user)
  }

  get full(): boolean {
    return this.#used >= this.#slotsMax
  }

  /** Makes a user hot, as its row says, with S of zeros: the caller walks it. */
  add(user: UserIndex, row: UserRow): number {
    assert(!this.full && !this.#slots.has(user), 'room for a hot user')
    const slot = this.#used++
    this.#slots.set(user, slot)
    if ((slot + 1) * this.personas > this.scores.length) this.#grow()
    this.scores.fill(0, slot * this.personas, (slot + 1) * this.personas)
    this.held.fill(0, slot * this.personas, (slot + 1) * this.personas)
    this.index[slot] = user
    this.userId[slot] = row.userId
    this.weight[slot] = 0
    this.sequence[slot] = row.sequence
    this.primary[slot] = row.primary
    this.since[slot] = new Map(row.held.map(({ persona, since }) => [persona, since]))
    for (const { persona } of row.held)
      if (persona < this.personas) this.held[slot * this.personas + persona] = 1
    this.sampled[slot] = row.method === 'sampled' ? sampledOf(row) : undefined
    this.setAnswer(slot, row.status, row.method)
    this.#drift[slot] = 0
    return slot
  }

  status(slot: number): Status {
    return statuses[this.#status[slot]!]!
  }

  method(slot: number): Method {
    return methods[this.#method[slot]!]!
  }

  setAnswer(slot: number, status: Status, method: Method): void {
    this.#status[slot] = statuses.indexOf(status)
    this.#method[slot] = methods.indexOf(method)
  }

  /** The row must be written with this batch. */
  touch(slot: number): void {
    this.#dirty.add(slot)
  }

  /** q moved by at most `moved` (L1): the row is written once that adds up to more than `delta`. */
  move(slot: number, moved: number, delta: number): void {
    this.#drift[slot]! += moved
    if (this.#drift[slot]! > delta) this.#dirty.add(slot)
    else this.#unsaved.add(slot)
  }

  /** Rows to write now, each once: those that must be, or (`all`) every one that differs from what is stored. */
  *takeDirty(position: number, all: boolean): Generator<{ user: UserIndex; row: UserRow }> {
    if (all) for (const slot of this.#unsaved) this.#dirty.add(slot)
    for (const slot of this.#dirty) {
      this.#drift[slot] = 0
      this.#unsaved.delete(slot)
      yield { user: this.index[slot]!, row: this.rowOf(slot, position) }
    }
    this.#dirty.clear()
  }

  get unsavedCount(): number {
    return this.#unsaved.size
  }

  /** Forgets a user without writing (erased). The slot stays empty until the next clear. */
  forget(user: UserIndex): void {
    const slot = this.#slots.get(user)
    if (slot === undefined) return
    this.#dirty.delete(slot)
    this.#unsaved.delete(slot)
    this.#slots.delete(user)
  }

  /** Forgets everybody; what must be written was taken before. */
  clear(): void {
    this.#used = 0
    this.#slots.clear()
    this.#dirty.clear()
    this.#unsaved.clear()
  }

  rowOf(slot: number, position: number): UserRow {
    const from = slot * this.personas
    const sampled = this.method(slot) === 'sampled' ? this.sampled[slot] : undefined
    return {
      userId: this.userId[slot]!,
      status: this.status(slot),
      method: this.method(slot),
      version: this.version,
      sequence: this.sequence[slot]!,
      weight: this.weight[slot]!,
      scoreWeight: sampled === undefined ? this.weight[slot]! : sampled.walks,
      scores: sampled === undefined ? this.scores.slice(from, from + this.personas) : sampled.scores,
      held: [...this.since[slot]!].map(([persona, since]) => ({ persona, since })),
      primary: this.primary[slot]!,
      position,
      halfWidth: sampled?.halfWidth ?? 0,
    }
  }

  /** Version of the rows written. */
  version = 0

  #grow(): void {
    const scores = new Float64Array(this.scores.length * 2 || 64)
    scores.set(this.scores)
    this.scores = scores
    const held = new Uint8Array(this.held.length * 2 || 64)
    held.set(this.held)
    this.held = held
  }
}

function sampledOf(row: UserRow): SampledScores {
  return { scores: row.scores, walks: row.scoreWeight, moves: 0, landingMass: 0, halfWidth: row.halfWidth }
}
