// Dedupe of event ids: keyed 128-bit hashes appended by position, found through an index of fingerprints in memory.
// The table is the truth: a fingerprint only says where to look, so a collision of fingerprints costs one read.
import type { EditedTable } from './edited-table.ts'
import { sipHash128 } from './sip-hash.ts'

const hashBytes = 16
const blockPositions = 64
/** The index is rebuilt with the live entries when this full. */
const loadMax = 0.6

export class SeenIds {
  readonly #table: EditedTable
  readonly #horizon: number
  readonly #key: Uint32Array
  /** Hash of the event id asked for last: remembering it after asking costs no second one. */
  readonly #digest = new Uint32Array(hashBytes / 4)
  #digested: string | undefined
  /** Open addressing: fingerprint (never 0; 0 is an empty place) and low 32 bits of the position of each remembered id. */
  #prints = new Uint32Array(0)
  #positions = new Uint32Array(0)
  #used = 0
  #loaded = false

  /** `key`: 16 secret bytes of this store, hexadecimal. */
  constructor(table: EditedTable, { horizon, key }: { horizon: number; key: string }) {
    this.#table = table
    this.#horizon = horizon
    const bytes = Buffer.from(key, 'hex')
    this.#key = Uint32Array.from([0, 4, 8, 12], (at) => bytes.readUInt32LE(at))
  }

  /** Reads the remembered ids of the last `horizon` positions before `position`. */
  load(position: number): void {
    this.#reserve(1024)
    this.#used = 0
    for (let block = this.#firstBlock(position); block * blockPositions < position; block++) {
      const row = this.#table.read(block)
      if (row === undefined) continue
      for (let i = 0; (i + 1) * hashBytes <= row.length; i++) {
        const print = row.view.getUint32(i * hashBytes, true)
        if (print !== 0) this.#insert(print, block * blockPositions + i)
      }
    }
    this.#loaded = true
  }

  /** Forgets the index (a transaction was undone); it is read again when next needed. */
  unload(): void {
    this.#loaded = false
  }

  /** Whether `eventId` was remembered within the horizon before `position`. */
  seen(eventId: string, position: number): boolean {
    if (!this.#loaded) this.load(position)
    return this.#find(this.#digestOf(eventId)[0]!, position)
  }

  /** Remembers `eventId` at `position`. */
  remember(eventId: string, position: number): void {
    if (!this.#loaded) this.load(position)
    const digest = this.#digestOf(eventId)
    this.#insert(digest[0]!, position)
    const slot = position % blockPositions
    const block = this.#table.edit(Math.floor(position / blockPositions), (slot + 1) * hashBytes)
    for (let i = 0; i < digest.length; i++) block.view.setUint32(slot * hashBytes + i * 4, digest[i]!, true)
  }

  /** Drops blocks that lie wholly behind the horizon. */
  trim(position: number): void {
    const end = this.#firstBlock(position)
    if (end === 0) return
    for (const key of [...this.#table.storedKeys(0, end)].slice(0, blockPositions)) this.#table.remove(key)
  }

  #digestOf(eventId: string): Uint32Array {
    const digest = this.#digest
    if (eventId === this.#digested) return digest
    sipHash128(eventId, this.#key, digest)
    if (digest[0] === 0) digest[0] = 1 // 0 marks a position without an id
    this.#digested = eventId
    return digest
  }

  #firstBlock(position: number): number {
    return Math.floor(Math.max(0, position - this.#horizon) / blockPositions)
  }

  #find(print: number, position: number): boolean {
    const mask = this.#prints.length - 1
    for (let at = print & mask; this.#prints[at] !== 0; at = (at + 1) & mask) {
      if (this.#prints[at] !== print) continue
      const age = (position - this.#positions[at]!) >>> 0 // positions lie less than 2³² apart
      if (age <= this.#horizon && this.#holds(position - age)) return true
    }
    return false
  }

  /** Whether the digest is what the table remembers at `position`. */
  #holds(position: number): boolean {
    const block = this.#table.read(Math.floor(position / blockPositions))
    const from = (position % blockPositions) * hashBytes
    if (block === undefined || block.length < from + hashBytes) return false
    return this.#digest.every((word, i) => word === block.view.getUint32(from + i * 4, true))
  }

  #insert(print: number, position: number): void {
    if (this.#used >= this.#prints.length * loadMax) this.#rebuild(position)
    const mask = this.#prints.length - 1
    let at = print & mask
    while (this.#prints[at] !== 0) at = (at + 1) & mask
    this.#prints[at] = print
    this.#positions[at] = position
    this.#used++
  }

  /** Keeps what is within the horizon, with room to double. */
  #rebuild(position: number): void {
    const prints = this.#prints
    const positions = this.#positions
    const live = (i: number) => prints[i] !== 0 && (position - positions[i]!) >>> 0 <= this.#horizon
    let count = 0
    for (let i = 0; i < positions.length; i++) if (live(i)) count++
    this.#reserve(Math.max(1024, count * 2))
    this.#used = 0
    for (let i = 0; i < positions.length; i++) {
      if (!live(i)) continue
      const mask = this.#prints.length - 1
      let at = prints[i]! & mask
      while (this.#prints[at] !== 0) at = (at + 1) & mask
      this.#prints[at] = prints[i]!
      this.#positions[at] = positions[i]!
      this.#used++
    }
  }

  #reserve(entries: number): void {
    const size = 2 ** Math.ceil(Math.log2(entries / loadMax + 1))
    this.#prints = new Uint32Array(size)
    this.#positions = new Uint32Array(size)
  }
}
