// A numbered table whose rows are edited in place: kept in memory between transactions as far as a limit allows, and
// what a transaction edited is written once, in key order, at its end. Only the one writer keeps rows: nobody else
// changes them. An undone transaction forgets them all, for they were edited in place.
import type { Database } from 'lmdb'
import { viewOf } from './table.ts'

const slabBytes = 1 << 20

/** A row in memory: its bytes are [0, length) of `bytes`, which may be longer. Valid until the next read. */
export type EditedRow = { bytes: Buffer; length: number }
type KeptRow = EditedRow & { readonly key: number; dirty: boolean }

export class EditedTable {
  readonly #db: Database<Buffer, number>
  readonly #keptBytesMax: number
  readonly #rows = new Map<number, KeptRow>()
  readonly #removed = new Set<number>()
  #dirty: KeptRow[] = []
  /** Rows lie in slabs, given out from the front and freed all at once. */
  #slab = Buffer.alloc(0)
  #slabUsed = 0
  #keptBytes = 0
  #writing = false
  readonly #reading: EditedRow = { bytes: this.#slab, length: 0 }

  /** `keptBytesMax`: memory for rows kept between transactions; 0 keeps none. */
  constructor(db: Database<Buffer, number>, keptBytesMax: number) {
    this.#db = db
    this.#keptBytesMax = keptBytesMax
  }

  begin(): void {
    this.#writing = true
  }

  /** Writes what was edited, in key order: neighbouring keys share pages. */
  flush(): void {
    for (const key of this.#removed) this.#db.remove(key)
    this.#dirty.sort((a, b) => a.key - b.key)
    for (const row of this.#dirty) {
      if (!row.dirty) continue // removed since
      this.#db.put(row.key, row.bytes.subarray(0, row.length))
      row.dirty = false
    }
    if (this.#keptBytes > this.#keptBytesMax) this.#forget()
    this.#end()
  }

  /** Forgets everything: the transaction is undone. */
  abandon(): void {
    this.#forget()
    this.#end()
  }

  /** The row as this transaction (or, outside of one, any reader) sees it; not to be changed. */
  read(key: number): EditedRow | undefined {
    if (this.#writing) {
      const kept = this.#rows.get(key)
      if (kept !== undefined) return kept
      if (this.#removed.size > 0 && this.#removed.has(key)) return undefined
    }
    const stored = this.#db.getBinaryFast(key)
    if (stored === undefined) return undefined
    if (this.#writing && this.#keptBytes < this.#keptBytesMax) return this.#keep(key, viewOf(stored)!)
    this.#reading.bytes = viewOf(stored)!
    this.#reading.length = stored.length
    return this.#reading
  }

  /** The row, to be changed in place: made at least `length` long, zeros behind what was there; written at the end. */
  edit(key: number, length: number): EditedRow {
    const row = this.#rows.get(key) ?? this.#keep(key, this.#stored(key))
    if (length > row.bytes.length) {
      const room = this.#allot(Math.max(length, row.length * 2))
      row.bytes.copy(room, 0, 0, row.length)
      row.bytes = room
    }
    if (length > row.length) {
      row.bytes.fill(0, row.length, length)
      row.length = length
    }
    if (!row.dirty) {
      row.dirty = true
      this.#dirty.push(row)
      this.#removed.delete(key)
    }
    return row
  }

  remove(key: number): void {
    const row = this.#rows.get(key)
    if (row !== undefined) row.dirty = false
    this.#rows.delete(key)
    this.#removed.add(key)
  }

  /** Keys in [start, end) as stored before this transaction, ascending. */
  storedKeys(start: number, end: number): Iterable<number> {
    return this.#db.getKeys({ start, end })
  }

  #stored(key: number): Buffer | undefined {
    return this.#removed.has(key) ? undefined : viewOf(this.#db.getBinaryFast(key))
  }

  #keep(key: number, stored: Buffer | undefined): KeptRow {
    const length = stored?.length ?? 0
    const row = { key, bytes: this.#allot(length), length, dirty: false }
    stored?.copy(row.bytes)
    this.#rows.set(key, row)
    return row
  }

  #allot(length: number): Buffer {
    const size = (length + 31) & ~31
    if (this.#slabUsed + size > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, size))
      this.#slabUsed = 0
      this.#keptBytes += this.#slab.length
    }
    const room = this.#slab.subarray(this.#slabUsed, this.#slabUsed + size)
    this.#slabUsed += size
    return room
  }

  #forget(): void {
    this.#rows.clear()
    this.#slabUsed = 0
    this.#keptBytes = this.#slab.length
  }

  #end(): void {
    this.#dirty = []
    this.#removed.clear()
    this.#writing = false
  }
}
