// Users kept hot: S(u), W(u) and what is held, in flat arrays by slot. Scores are derived state: a user that is not
// hot needs no repair, its S comes out exact when it is next walked over edges and published vectors.
import { assert } from '../core/assert.ts'
import type { UserId, UserIndex } from '../core/ids.ts'
import { type Method, methods, type Status, statuses } from '../core/persona.ts'
import type { Snapshot } from '../core/sampled-walk.ts'
import type { HotUse } from '../metrics/ingest-metrics.ts'
import type { UserRow } from '../store/port.ts'

/** Bytes of a user beside scores, scores as written, probabilities, content and held flags: id, since-times, small fields. */
const overheadBytes = 240

export type HeldSince = Map<number, number>

/** What the store holds of a hot user: the same, something that moved less than a lookup may be off, or too little. */
const saved = 0
const unsaved = 1
const dirty = 2

export class HotUsers {
  readonly personas: number
  readonly #slotsMax: number
  /** Slot + 1 by user index, 0 for a user that is not hot: four bytes a known user. */
  #slots = new Int32Array(1024)
  #used = 0
  /** Version of the rows written. */
  version = 0
  /** S(u) rows of C entries, those rows as written last, and 0/1 held flags likewise. */
  scores = new Float64Array(0)
  #written = new Float64Array(0)
  held = new Uint8Array(0)
  weight = new Float64Array(0)
  sequence = new Float64Array(0)
  primary = new Int16Array(0)
  /** How far S may still move (by its reach) before deciding anew can give another answer; 0 or less: not known. */
  slack = new Float64Array(0)
  /** Epoch decided under, the probabilities then, and X(u) with the content fit it is of: rows of C entries. */
  epoch = new Uint32Array(0)
  probabilities = new Float64Array(0)
  content = new Float64Array(0)
  contentHead = new Uint32Array(0)
  #status = new Uint8Array(0)
  #method = new Uint8Array(0)
  /** Upper bound of ||q − q as written||₁. */
  #drift = new Float64Array(0)
  #state = new Uint8Array(0)
  #dirty: number[] = []
  readonly index: UserIndex[] = []
  readonly userId: UserId[] = []
  readonly since: HeldSince[] = []
  readonly sampled: (Snapshot | undefined)[] = []

  constructor(personas: number, bytesMax: number) {
    this.personas = personas
    this.#slotsMax = Math.max(64, Math.floor(bytesMax / (personas * 33 + overheadBytes)))
    this.#grow(64)
  }

  slotOf(user: UserIndex): number | undefined {
    const place = user < this.#slots.length ? this.#slots[user]! : 0
    return place === 0 ? undefined : place - 1
  }

  get full(): boolean {
    return this.#used >= this.#slotsMax
  }

  get use(): HotUse {
    const rowBytes = this.personas * 33 + overheadBytes
    return { entries: this.#used, bytes: this.#used * rowBytes, bytesMax: this.#slotsMax * rowBytes }
  }

  /** Makes a user hot, as its row says, with S of zeros: the caller walks it. */
  add(user: UserIndex, row: UserRow): number {
    assert(!this.full && this.slotOf(user) === undefined, 'room for a hot user')
    const slot = this.#used++
    if (slot >= this.weight.length) this.#grow(slot * 2)
    this.#place(user, slot + 1)
    const from = slot * this.personas
    this.scores.fill(0, from, from + this.personas)
    this.held.fill(0, from, from + this.personas)
    this.index[slot] = user
    this.userId[slot] = row.userId
    this.weight[slot] = 0
    this.slack[slot] = 0
    this.epoch[slot] = row.epoch
    this.contentHead[slot] = 0
    this.probabilities.fill(0, from, from + this.personas)
    if (row.probabilities.length === this.personas) this.probabilities.set(row.probabilities, from)
    this.sequence[slot] = row.sequence
    this.primary[slot] = row.primary
    this.since[slot] = new Map(row.held.map(({ persona, since }) => [persona, since]))
    for (const { persona } of row.held) if (persona < this.personas) this.held[from + persona] = 1
    this.sampled[slot] = row.method === 'sampled' ? sampledOf(row) : undefined
    this.setAnswer(slot, row.status, row.method)
    this.#written.fill(0, from, from + this.personas)
    if (row.scores.length === this.personas) this.#written.set(row.scores, from)
    this.#drift[slot] = 0
    this.#state[slot] = saved
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

  /** Makes `held` (C flags) the held set; returns whether it differs from what was held. */
  hold(slot: number, held: Uint8Array): boolean {
    const from = slot * this.personas
    let changed = false
    for (let c = 0; c < this.personas; c++) {
      if (this.held[from + c] === held[c]) continue
      this.held[from + c] = held[c]!
      changed = true
    }
    return changed
  }

  /** The row must be written with this batch. */
  touch(slot: number): void {
    if (this.#state[slot] !== dirty) this.#dirty.push(slot)
    this.#state[slot] = dirty
  }

  /**
   * q moved by at most `moved` (L1). The row is written once q is further than `delta` from what was written: the bound
   * says when to look, the scores themselves decide, for a q that moves to and fro goes nowhere.
   */
  move(slot: number, moved: number, delta: number): void {
    const drift = this.#drift[slot]! + moved
    this.#drift[slot] = drift
    if (this.#state[slot] === dirty) return
    this.#state[slot] = unsaved
    if (drift <= delta) return
    this.#drift[slot] = this.#distance(slot)
    if (this.#drift[slot]! > delta) this.touch(slot)
  }

  /**
   * Rows to write now, each once: those that must be, or (`all`) every one that differs from what is stored. `refresh`
   * brings a slot's probabilities up to its scores.
   */
  *takeDirty(
    { position, refresh }: { position: number; refresh: (slot: number) => void },
    all: boolean,
  ): Generator<{ user: UserIndex; row: UserRow }> {
    if (all) for (let slot = 0; slot < this.#used; slot++) if (this.#state[slot] === unsaved) this.touch(slot)
    for (const slot of this.#dirty) {
      if (this.#state[slot] !== dirty) continue // forgotten since
      refresh(slot)
      const row = this.rowOf(slot, position)
      this.#written.set(row.scores, slot * this.personas)
      this.#drift[slot] = 0
      this.#state[slot] = saved
      yield { user: this.index[slot]!, row }
    }
    this.#dirty.length = 0
  }

  /** Forgets a user without writing (erased). The slot stays empty until the next clear. */
  forget(user: UserIndex): void {
    const slot = this.slotOf(user)
    if (slot === undefined) return
    this.#state[slot] = saved
    this.#slots[user] = 0
  }

  /** Forgets everybody; what must be written was taken before. */
  clear(): void {
    this.#used = 0
    this.#slots.fill(0)
    this.#dirty.length = 0
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
      held: Array.from(this.since[slot]!, ([persona, since]) => ({ persona, since })),
      primary: this.primary[slot]!,
      position: sampled?.position ?? position,
      halfWidth: sampled?.halfWidth ?? 0,
      epoch: this.epoch[slot]!,
      probabilities:
        this.epoch[slot] === 0 ? new Float64Array(0) : this.probabilities.slice(from, from + this.personas),
    }
  }

  /** ||q − q as written||₁; a sampled answer is a snapshot and does not move. */
  #distance(slot: number): number {
    if (this.method(slot) === 'sampled') return 0
    const from = slot * this.personas
    let now = 0
    let then = 0
    for (let at = from; at < from + this.personas; at++) {
      now += this.scores[at]!
      then += this.#written[at]!
    }
    if (now === 0 || then === 0) return now === then ? 0 : 2
    let moved = 0
    for (let at = from; at < from + this.personas; at++)
      moved += Math.abs(this.scores[at]! / now - this.#written[at]! / then)
    return moved
  }

  #place(user: UserIndex, place: number): void {
    if (user >= this.#slots.length) this.#slots = grown(this.#slots, new Int32Array(user * 2))
    this.#slots[user] = place
  }

  #grow(slots: number): void {
    const entries = slots * this.personas
    this.scores = grown(this.scores, new Float64Array(entries))
    this.#written = grown(this.#written, new Float64Array(entries))
    this.probabilities = grown(this.probabilities, new Float64Array(entries))
    this.content = grown(this.content, new Float64Array(entries))
    this.held = grown(this.held, new Uint8Array(entries))
    this.epoch = grown(this.epoch, new Uint32Array(slots))
    this.contentHead = grown(this.contentHead, new Uint32Array(slots))
    this.weight = grown(this.weight, new Float64Array(slots))
    this.slack = grown(this.slack, new Float64Array(slots))
    this.sequence = grown(this.sequence, new Float64Array(slots))
    this.primary = grown(this.primary, new Int16Array(slots))
    this.#status = grown(this.#status, new Uint8Array(slots))
    this.#method = grown(this.#method, new Uint8Array(slots))
    this.#drift = grown(this.#drift, new Float64Array(slots))
    this.#state = grown(this.#state, new Uint8Array(slots))
  }
}

function grown<T extends { set(values: T): void }>(values: T, into: T): T {
  into.set(values)
  return into
}

function sampledOf(row: UserRow): Snapshot {
  const { scores, scoreWeight: walks, halfWidth, position } = row
  return { scores, walks, moves: 0, landingMass: 0, halfWidth, position }
}
