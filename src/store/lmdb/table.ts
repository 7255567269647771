// A numbered table with a write-back cache: a transaction's rows are written once, in key order, at its end.
import type { Database } from 'lmdb'

/** Rows by whole-number key. Values handed out by `get` are valid until the next read. */
export class Table {
  readonly #db: Database<Buffer, number>
  readonly #pending = new Map<number, Buffer | undefined>()
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
    this.#pending.set(key, value)
  }

  remove(key: number): void {
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
