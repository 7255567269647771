// Rows of a numbered table that are edited in place: kept in memory between transactions as far as a limit allows, and
// what a transaction edited goes into its table once, at its end. Only the one writer keeps rows: nobody else changes
// them. An undone transaction forgets them all, for they were edited in place.
import { RowIndex } from './row-index.ts'
import type { Table } from './table.ts'

const slabBytes = 1 << 20

/** A row in memory: its bytes are [0, length) of `bytes`, which may be longer, and of `view`. Valid until the next read. */
export type EditedRow = { bytes: Buffer; view: DataView; length: number }
type KeptRow = EditedRow & { readonly key: number; dirty: boolean }

export class EditedTable {
  readonly #table: Table
  readonly #keptBytesMax: number
  readonly #rows = new RowIndex<KeptRow>()
  #dirty: KeptRow[] = []
  /** Rows lie in slabs, given out from the front and freed all at once. */
  #slab = Buffer.alloc(0)
  #slabUsed = 0
  #keptBytes = 0
  #writing = false
  readonly #reading: EditedRow = { bytes: this.#slab, view: viewOf(this.#slab), length: 0 }

  /** `keptBytesMax`: memory for rows kept between transactions; 0 keeps none. */
  constructor(table: Table, keptBytesMax: number) {
    this.#table = table
    this.#keptBytesMax = keptBytesMax
  }

  begin(): void {
    this.#writing = true
  }

  /** Puts what was edited into the table; the rows stay as they are until the transaction has `ended`. */
  flush(): void {
    for (const row of this.#dirty) {
      if (!row.dirty) continue // removed since
      this.#table.put(row.key, row.bytes.subarray(0, row.length))
      row.dirty = false
    }
    this.#dirty = []
    this.#writing = false
  }

  /** The transaction's rows are committed, or copied for it: what is kept beyond the limit is forgotten. */
  ended(): void {
    if (this.#keptBytes > this.#keptBytesMax) this.#forget()
  }

  /** Forgets everything: the transaction is undone. */
  abandon(): void {
    this.#forget()
    this.#dirty = []
    this.#writing = false
  }

  /** The row as this transaction (or, outside of one, any reader) sees it; not to be changed. */
  read(key: number): EditedRow | undefined {
    if (this.#writing) {
      const kept = this.#rows.get(key)
      if (kept !== undefined) return kept
    }
    const stored = this.#table.get(key)
    if (stored === undefined) return undefined
    if (this.#writing && this.#keptBytes < this.#keptBytesMax) return this.#keep(key, stored)
    this.#reading.bytes = stored
    this.#reading.view = viewOf(stored)
    this.#reading.length = stored.length
    return this.#reading
  }

  /** The row, to be changed in place: made at least `length` long, zeros behind what was there; written at the end. */
  edit(key: number, length: number): EditedRow {
    const row = this.#rows.get(key) ?? this.#keep(key, this.#table.get(key))
    if (length > row.length) this.grow(row, length)
    if (!row.dirty) {
      row.dirty = true
      this.#dirty.push(row)
    }
    return row
  }

  /** Makes a row that is being edited `length` long, zeros behind what was there. */
  grow(row: EditedRow, length: number): void {
    if (length > row.bytes.length) {
      const room = this.#allot(Math.max(length, row.length * 2))
      row.bytes.copy(room, 0, 0, row.length)
      row.bytes = room
      row.view = viewOf(room)
    }
    for (let at = row.length; at < length; at++) row.bytes[at] = 0 // a few bytes: faster than `fill`
    row.length = length
  }

  remove(key: number): void {
    const row = this.#rows.get(key)
    if (row !== undefined) row.dirty = false
    this.#rows.delete(key)
    this.#table.remove(key)
  }

  /** Keys in [start, end), ascending, as they were before this transaction's edits. */
  storedKeys(start: number, end: number): Iterable<number> {
    return this.#table.keys(start, end)
  }

  #keep(key: number, stored: Buffer | undefined): KeptRow {
    const length = stored?.length ?? 0
    const bytes = this.#allot(length)
    stored?.copy(bytes)
    const row = { key, bytes, view: viewOf(bytes), length, dirty: false }
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
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}
