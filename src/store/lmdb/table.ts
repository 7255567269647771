// A table with what is not committed yet in memory: a transaction's rows, and those of transactions on their way into
// LMDB. Reads see them all; what a transaction wrote leaves as one list of changes, in key order, each row once.
import type { Database } from 'lmdb'
import { isAsSeen, type SeenRecord, seenRecord } from '../../lmdb/open.ts'

export type Key = number | string

/** What one transaction did to one table: a row to put or undefined for one to remove, by key; and the keys ascending. */
export type TableChanges = {
  readonly table: string
  readonly keys: readonly Key[]
  readonly rows: Map<Key, Buffer | undefined>
}

type Layer<K> = Map<K, Buffer | undefined>

/** Rows by key. Values handed out by `get` are valid until the next read. */
export class Table<K extends Key = number> {
  readonly name: string
  readonly #db: Database<Buffer, K>
  #pending: Layer<K> = new Map()
  /** Changes of transactions that are not committed yet, oldest first. */
  #underWay: Layer<K>[] = []

  constructor(name: string, db: Database<Buffer, K>) {
    this.name = name
    this.#db = db
  }

  get(key: K): Buffer | undefined {
    if (this.#pending.size > 0) {
      const value = this.#pending.get(key)
      if (value !== undefined || this.#pending.has(key)) return value
    }
    for (let i = this.#underWay.length - 1; i >= 0; i--) {
      const layer = this.#underWay[i]!
      const value = layer.get(key)
      if (value !== undefined || layer.has(key)) return value
    }
    return viewOf(this.#db.getBinaryFast(key))
  }

  /** The row of `key` as it is now, to be held against later; undefined for no row, and while something is not committed. */
  seen(key: K): SeenRecord | undefined {
    return this.#pending.size > 0 || this.#underWay.length > 0 ? undefined : seenRecord(this.#db, key)
  }

  /** Whether the row of `key` is as it was seen; false also while something is not committed. */
  isAs(key: K, seen: SeenRecord): boolean {
    return this.#pending.size === 0 && this.#underWay.length === 0 && isAsSeen(this.#db, key, seen)
  }

  /** `value` must not change before the transaction is committed, or `rows` of its changes has another of the same bytes. */
  put(key: K, value: Buffer): void {
    this.#pending.set(key, value)
  }

  remove(key: K): void {
    this.#pending.set(key, undefined)
  }

  /** Keys from `start` on and, if there is an `end`, below it, ascending. */
  *keys(start: K, end?: K): Generator<K> {
    const range = end === undefined ? { start } : { start, end }
    const layers = [...this.#underWay, this.#pending]
    if (layers.every(({ size }) => size === 0)) {
      yield* this.#db.getKeys(range)
      return
    }
    const all = new Set<K>([...this.#db.getKeys(range)])
    for (const layer of layers)
      for (const [key, value] of layer) {
        if (key < start || (end !== undefined && key >= end)) continue
        if (value === undefined) all.delete(key)
        else all.add(key)
      }
    yield* [...all].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }

  /** Ends the transaction: what it changed is under way until `landed`; undefined if that is nothing. */
  seal(): TableChanges | undefined {
    const sealed = this.#pending
    this.#pending = new Map()
    this.#underWay.push(sealed)
    if (sealed.size === 0) return undefined
    return {
      table: this.name,
      keys: sortedKeys(sealed),
      rows: sealed as Map<Key, Buffer | undefined>,
    }
  }

  /** The oldest transaction under way is committed, and reads see it in LMDB. */
  landed(): void {
    this.#underWay.shift()
  }

  /** The newest transaction under way could not be committed. */
  sunk(): void {
    this.#underWay.pop()
  }

  /** Forgets the running transaction's changes. */
  abandon(): void {
    this.#pending.clear()
  }
}

function sortedKeys<K extends Key>(layer: Layer<K>): K[] {
  const keys = [...layer.keys()]
  return typeof keys[0] === 'number'
    ? (Array.from(Float64Array.from(keys as number[]).sort()) as K[])
    : keys.sort()
}

/** lmdb hands out one shared buffer with its length set aside: this is a proper view of the value in it. */
function viewOf(shared: Buffer | undefined): Buffer | undefined {
  return shared?.subarray(0, shared.length)
}
