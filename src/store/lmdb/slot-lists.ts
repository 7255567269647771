// Adjacency lists in slots: (neighbour u32, weight u16), so that a hub's list is read fast, and appending to it,
// changing or removing one entry, or drawing a random one costs the same as in a list of one. A list is a head row
// (its length and its last entries) and chunk rows behind it. Heads of all nodes lie together, so what a batch appends
// all over the graph dirties few pages; a head's entries move into their chunk a whole block at a time.
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

export class SlotLists {
  readonly #table: EditedTable
  /** Entries that a head holds at the most, plus one: a divisor of a chunk's. */
  readonly #block: number

  constructor(table: EditedTable, block: number) {
    assert(chunkEntries % block === 0, 'whole blocks in a chunk')
    this.#table = table
    this.#block = block
  }

  length(node: number): number {
    const head = this.#table.read(headKey(node))
    return head === undefined ? 0 : lengthOf(head)
  }

  at(node: number, slot: number, into: WalkEdge): void {
    const head = this.#table.read(headKey(node))
    assert(head !== undefined, 'head of a list')
    this.#entry(node, head, slot, into)
  }

  /** An entry drawn evenly; false for an empty list. */
  draw(node: number, rng: Rng, into: WalkEdge): boolean {
    const head = this.#table.read(headKey(node))
    if (head === undefined) return false
    this.#entry(node, head, rng.below(lengthOf(head)), into)
    return true
  }

  all(node: number, into: Neighbours): void {
    const head = this.#table.read(headKey(node))
    const length = head === undefined ? 0 : lengthOf(head)
    ensureCapacity(into, length)
    into.length = length
    if (head === undefined) return
    const headStart = this.#headStart(length)
    copyEntries(head.bytes, headerBytes, { into, from: headStart, to: length })
    for (let from = 0; from < headStart; from += chunkEntries)
      copyEntries(this.#chunk(node, from).bytes, 0, {
        into,
        from,
        to: Math.min(from + chunkEntries, headStart),
      })
  }

  /** Adds an entry at the end; returns its slot. */
  append(node: number, { neighbour, weight }: WalkEdge): number {
    const slot = this.length(node)
    const headStart = this.#headStart(slot)
    const length = slot + 1
    const at = headerBytes + (slot - headStart) * entryBytes
    const head = this.#table.edit(headKey(node), at + entryBytes)
    writeEntry(head.bytes, at, neighbour, weight)
    head.bytes.writeUInt32LE(length, 0)
    if (length % this.#block === 0) this.#moveDown(node, head, headStart)
    return slot
  }

  set(node: number, slot: number, { neighbour, weight }: WalkEdge): void {
    const before: WalkEdge = { neighbour: 0, weight: 0 }
    this.at(node, slot, before)
    if (before.neighbour === neighbour && before.weight === weight) return
    const headStart = this.#headStart(this.length(node))
    if (slot >= headStart) {
      const head = this.#table.edit(headKey(node), 0)
      writeEntry(head.bytes, headerBytes + (slot - headStart) * entryBytes, neighbour, weight)
    } else {
      const chunk = this.#table.edit(chunkKey(node, slot), 0)
      writeEntry(chunk.bytes, (slot % chunkEntries) * entryBytes, neighbour, weight)
    }
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
    if (last === 0) this.#table.remove(headKey(node))
    else {
      const head = this.#table.edit(headKey(node), 0)
      head.bytes.writeUInt32LE(last, 0)
      head.length = headerBytes + (last - this.#headStart(last)) * entryBytes
    }
    return moved.neighbour
  }

  /** A full head's entries into their chunk. */
  #moveDown(node: number, head: EditedRow, headStart: number): void {
    const at = (headStart % chunkEntries) * entryBytes
    const blockBytes = this.#block * entryBytes
    const chunk = this.#table.edit(chunkKey(node, headStart), at + blockBytes)
    head.bytes.copy(chunk.bytes, at, headerBytes, headerBytes + blockBytes)
    head.length = headerBytes
  }

  /** The last block of the chunks back into the head. */
  #moveUp(node: number, headStart: number): void {
    const at = (headStart % chunkEntries) * entryBytes
    const blockBytes = this.#block * entryBytes
    const head = this.#table.edit(headKey(node), headerBytes + blockBytes)
    const chunk = this.#table.edit(chunkKey(node, headStart), 0)
    chunk.bytes.copy(head.bytes, headerBytes, at, at + blockBytes)
    chunk.length = at
    if (at === 0) this.#table.remove(chunkKey(node, headStart))
  }

  #entry(node: number, head: EditedRow, slot: number, into: WalkEdge): void {
    const headStart = this.#headStart(lengthOf(head))
    const inHead = slot >= headStart
    const bytes = inHead ? head.bytes : this.#chunk(node, slot).bytes
    const at = inHead ? headerBytes + (slot - headStart) * entryBytes : (slot % chunkEntries) * entryBytes
    into.neighbour = bytes.readUInt32LE(at)
    into.weight = bytes.readUInt16LE(at + 4)
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

function headKey(node: number): number {
  return pair(0, node)
}

function chunkKey(node: number, slot: number): number {
  return pair(node + 1, Math.floor(slot / chunkEntries))
}

function lengthOf(head: EditedRow): number {
  return head.bytes.readUInt32LE(0)
}

function writeEntry(bytes: Buffer, at: number, neighbour: number, weight: number): void {
  bytes.writeUInt32LE(neighbour, at)
  bytes.writeUInt16LE(weight, at + 4)
}

function copyEntries(
  bytes: Buffer,
  at: number,
  { into, from, to }: { into: Neighbours; from: number; to: number },
): void {
  for (let slot = from; slot < to; slot++, at += entryBytes) {
    into.ids[slot] = bytes.readUInt32LE(at)
    into.weights[slot] = bytes.readUInt16LE(at + 4)
  }
}
