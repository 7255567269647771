// Adjacency lists in slots: (neighbour u32, weight u16), so that a hub's list is read fast, and appending to it,
// changing or removing one entry, or drawing a random one costs the same as in a list of one. A list is a head (its
// length and its last entries) and chunk rows behind it. Heads lie together, several of them in a row where they are
// small, so what a batch appends all over the graph dirties few pages; a head's entries move into their chunk a whole
// block at a time.
import { assert } from '../../core/assert.ts'
import type { Rng } from '../../core/rng.ts'
import type { WalkEdge } from '../../core/sampled-walk.ts'
import { ensureCapacity, type Neighbours } from '../port.ts'
import type { EditedRow, EditedTable } from './edited-table.ts'
import { pair } from './layout.ts'

const entryBytes = 6
/** A head begins with the list's length, u32. */
const headerBytes = 4
/** With its key a full chunk just fits twice into a page of 4 KiB, as LMDB wants of a value that is not to overflow. */
const chunkEntries = 320

export type SlotListsLayout = {
  /** Entries that a head holds at the most, plus one: a divisor of a chunk's. */
  readonly block: number
  /** Heads in one row; a row of one head is as long as its entries. */
  readonly headsPerRow: number
}

/**
 * A batch's events are of few users, whose lists grow by many entries each (a head of a whole chunk is one read), and of
 * many products, whose lists grow by one or two (small heads, sixteen to a row).
 */
export const userLists: SlotListsLayout = { block: 320, headsPerRow: 1 }
export const productLists: SlotListsLayout = { block: 16, headsPerRow: 16 }

export class SlotLists {
  readonly #table: EditedTable
  readonly #block: number
  readonly #headsPerRow: number
  /** Bytes of a head, with room for its whole block. */
  readonly #stride: number

  constructor(table: EditedTable, { block, headsPerRow }: SlotListsLayout) {
    assert(chunkEntries % block === 0, 'whole blocks in a chunk')
    this.#table = table
    this.#block = block
    this.#headsPerRow = headsPerRow
    this.#stride = headerBytes + block * entryBytes
  }

  length(node: number): number {
    return this.#lengthIn(this.#table.read(this.#headKey(node)), node)
  }

  at(node: number, slot: number, into: WalkEdge): void {
    const head = this.#table.read(this.#headKey(node))
    assert(head !== undefined, 'head of a list')
    this.#entry(node, head, slot, into)
  }

  /** An entry drawn evenly; false for an empty list. */
  draw(node: number, rng: Rng, into: WalkEdge): boolean {
    const head = this.#table.read(this.#headKey(node))
    const length = this.#lengthIn(head, node)
    if (head === undefined || length === 0) return false
    this.#entry(node, head, rng.below(length), into)
    return true
  }

  all(node: number, into: Neighbours): void {
    const head = this.#table.read(this.#headKey(node))
    const length = this.#lengthIn(head, node)
    ensureCapacity(into, length)
    into.length = length
    if (head === undefined) return
    const headStart = this.#headStart(length)
    copyEntries(head.view, this.#headAt(node) + headerBytes, { into, from: headStart, to: length })
    for (let from = 0; from < headStart; from += chunkEntries)
      copyEntries(this.#chunk(node, from).view, 0, {
        into,
        from,
        to: Math.min(from + chunkEntries, headStart),
      })
  }

  /** Adds an entry at the end; returns its slot. */
  append(node: number, { neighbour, weight }: WalkEdge): number {
    const at = this.#headAt(node)
    const head = this.#table.edit(this.#headKey(node), at + headerBytes)
    const slot = head.view.getUint32(at, true)
    const headStart = this.#headStart(slot)
    const entryAt = at + headerBytes + (slot - headStart) * entryBytes
    const end = this.#headsPerRow > 1 ? at + this.#stride : entryAt + entryBytes
    if (end > head.length) this.#table.grow(head, end)
    writeEntry(head.view, entryAt, neighbour, weight)
    head.view.setUint32(at, slot + 1, true)
    if ((slot + 1) % this.#block === 0) this.#moveDown(node, head, headStart)
    return slot
  }

  /** Gives a node without a list the head of one, as a row of its own: its chunks are there already. */
  putHead(node: number, head: Buffer): void {
    const at = this.#headAt(node)
    const row = this.#table.edit(this.#headKey(node), at + this.#stride)
    head.copy(row.bytes, at)
  }

  set(node: number, slot: number, { neighbour, weight }: WalkEdge): void {
    const key = this.#headKey(node)
    const row = this.#table.read(key)
    assert(row !== undefined, 'head of a list')
    const headStart = this.#headStart(this.#lengthIn(row, node))
    const inHead = slot >= headStart
    const from = inHead ? row : this.#chunk(node, slot)
    const at = inHead
      ? this.#headAt(node) + headerBytes + (slot - headStart) * entryBytes
      : (slot % chunkEntries) * entryBytes
    if (from.view.getUint32(at, true) === neighbour && from.view.getUint16(at + 4, true) === weight) return
    writeEntry(this.#table.edit(inHead ? key : chunkKey(node, slot), 0).view, at, neighbour, weight)
  }

  /** Removes the entry at `slot`; the last entry takes its place: its neighbour is returned, −1 if none moved. */
  remove(node: number, slot: number): number {
    const last = this.length(node) - 1
    assert(slot <= last, 'slot within its list')
    const moved: WalkEdge = { neighbour: -1, weight: 0 }
    if (slot !== last) {
      this.at(node, last, moved)
      this.set(node, slot, moved)
    }
    if ((last + 1) % this.#block === 0) this.#moveUp(node, last + 1 - this.#block)
    const at = this.#headAt(node)
    const head = this.#table.edit(this.#headKey(node), 0)
    head.view.setUint32(at, last, true)
    const end = at + headerBytes + (last - this.#headStart(last)) * entryBytes
    head.bytes.fill(0, end, end + entryBytes)
    if (this.#headsPerRow > 1) return moved.neighbour
    head.length = end
    if (last === 0) this.#table.remove(this.#headKey(node))
    return moved.neighbour
  }

  /** A full head's entries into their chunk. */
  #moveDown(node: number, head: EditedRow, headStart: number): void {
    const from = this.#headAt(node) + headerBytes
    const at = (headStart % chunkEntries) * entryBytes
    const blockBytes = this.#block * entryBytes
    const chunk = this.#table.edit(chunkKey(node, headStart), at + blockBytes)
    head.bytes.copy(chunk.bytes, at, from, from + blockBytes)
    head.bytes.fill(0, from, from + blockBytes)
    if (this.#headsPerRow === 1) head.length = headerBytes
  }

  /** The last block of the chunks back into the head. */
  #moveUp(node: number, headStart: number): void {
    const to = this.#headAt(node) + headerBytes
    const at = (headStart % chunkEntries) * entryBytes
    const blockBytes = this.#block * entryBytes
    const head = this.#table.edit(this.#headKey(node), to + blockBytes)
    const chunk = this.#table.edit(chunkKey(node, headStart), 0)
    chunk.bytes.copy(head.bytes, to, at, at + blockBytes)
    chunk.length = at
    if (at === 0) this.#table.remove(chunkKey(node, headStart))
  }

  #entry(node: number, head: EditedRow, slot: number, into: WalkEdge): void {
    const headStart = this.#headStart(this.#lengthIn(head, node))
    const inHead = slot >= headStart
    const view = inHead ? head.view : this.#chunk(node, slot).view
    const at = inHead
      ? this.#headAt(node) + headerBytes + (slot - headStart) * entryBytes
      : (slot % chunkEntries) * entryBytes
    into.neighbour = view.getUint32(at, true)
    into.weight = view.getUint16(at + 4, true)
  }

  #headKey(node: number): number {
    return this.#headsPerRow === 1 ? node : Math.floor(node / this.#headsPerRow)
  }

  /** The byte at which the node's head begins in its row. */
  #headAt(node: number): number {
    return this.#headsPerRow === 1 ? 0 : (node % this.#headsPerRow) * this.#stride
  }

  #lengthIn(row: EditedRow | undefined, node: number): number {
    const at = this.#headAt(node)
    return row === undefined || row.length <= at ? 0 : row.view.getUint32(at, true)
  }

  /** The first slot whose entry the head of a list of `length` holds. */
  #headStart(length: number): number {
    return length - (length % this.#block)
  }

  #chunk(node: number, slot: number): EditedRow {
    const chunk = this.#table.read(chunkKey(node, slot))
    assert(chunk !== undefined, 'chunk of a list')
    return chunk
  }
}

function chunkKey(node: number, slot: number): number {
  return pair(node + 1, Math.floor(slot / chunkEntries))
}

function writeEntry(view: DataView, at: number, neighbour: number, weight: number): void {
  view.setUint32(at, neighbour, true)
  view.setUint16(at + 4, weight, true)
}

function copyEntries(
  view: DataView,
  at: number,
  { into, from, to }: { into: Neighbours; from: number; to: number },
): void {
  for (let slot = from; slot < to; slot++, at += entryBytes) {
    into.ids[slot] = view.getUint32(at, true)
    into.weights[slot] = view.getUint16(at + 4, true)
  }
}
