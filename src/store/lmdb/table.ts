// A numbered table with a write-back cache: a transaction's rows are written once, in key order, at its end.
import type { Database } from 'lmdb'

const arenaBytes = 1 << 20

/** Rows by whole-number key. Values handed out by `get` are valid until the next read; `edit` gives a private copy. */
export class Table {
  readonly #db: Database<Buffer, number>
  readonly #pending = new Map<number, Buffer | undefined>()
  /** Memory of the rows being edited, used anew by the next transaction. */
  #arena = Buffer.alloc(0)
  #arenaUsed = 0
  readonly #rooms = new Map<number, Buffer>()
  #writing = false

  constructor(db: Database<Buffer, number>) {
    this.#db = db
  }

  begin(): void {
    this.#writing = true
  }

  /** Writes what is pending, in key order: neighbouring keys share pages. */
  flush(): void {
    const keys = Float64Array.from(this.#pending.keys()).sort()
    for (const key of keys) {
      const value = this.#pending.get(key)
      if (value === undefined) this.#db.remove(key)
      else this.#db.put(key, value)
    }
    this.abandon()
  }

  /** Forgets what is pending: the transaction is over. */
  abandon(): void {
    this.#pending.clear()
    this.#rooms.clear()
    this.#arenaUsed = 0
    this.#writing = false
  }

  get(key: number): Buffer | undefined {
    if (this.#writing) {
      const value = this.#pending.get(key)
      if (value !== undefined || this.#pending.has(key)) return value
    }
    return viewOf(this.#db.getBinaryFast(key))
  }

  put(key: number, value: Buffer): void {
    this.#rooms.delete(key)
    this.#pending.set(key, value)
  }

  /**
   * The row in this transaction's memory, to be changed in place: at least `bytes` long (zeros behind what was there),
   * with room behind it, so that a list that grows entry by entry is copied seldom.
   */
  edit(key: number, bytes: number): Buffer {
    const pending = this.#pending.get(key)
    if (pending !== undefined && pending.length >= bytes) return pending
    const before = pending ?? this.get(key)
    const length = Math.max(bytes, before?.length ?? 0)
    const room = pending === undefined ? undefined : this.#rooms.get(key)
    const value = room !== undefined && room.length >= length ? room : this.#allot(key, length)
    if (before !== undefined && value !== room) before.copy(value)
    const row = value.subarray(0, length)
    this.#pending.set(key, row)
    return row
  }

  /** Zeroed memory for a row of `length` bytes and as much again, from the transaction's arena. */
  #allot(key: number, length: number): Buffer {
    const size = length * 2 + 32
    if (this.#arenaUsed + size > this.#arena.length) {
      this.#arena = Buffer.allocUnsafeSlow(Math.max(arenaBytes, size))
      this.#arenaUsed = 0
    }
    const room = this.#arena.subarray(this.#arenaUsed, this.#arenaUsed + size).fill(0)
    this.#arenaUsed += size
    this.#rooms.set(key, room)
    return room
  }

  remove(key: number): void {
    this.#rooms.delete(key)
    this.#pending.set(key, undefined)
  }

  /** Keys in [start, end), ascending, with what is pending in this transaction. */
  *keys(start: number, end: number): Generator<number> {
    if (this.#pending.size === 0) {
      yield* this.#db.getKeys({ start, end })
      return
    }
    const all = new Set<number>([...this.#db.getKeys({ start, end })])
    for (const [key, value] of this.#pending) {
      if (key < start || key >= end) continue
      if (value === undefined) all.delete(key)
      else all.add(key)
    }
    yield* [...all].sort((a, b) => a - b)
  }
}

/** lmdb hands out one shared buffer with its length set aside: this is a proper view of the value in it. */
export function viewOf(shared: Buffer | undefined): Buffer | undefined {
  return shared?.subarray(0, shared.length)
}
