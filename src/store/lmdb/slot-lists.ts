// Adjacency lists in slots: (neighbour u32, weight u16), 320 to a chunk, so that a hub's list is read fast, and
// appending to it, changing or removing one entry, or drawing a random one costs the same as in a list of one.
import { assert } from '../../core/assert.ts'
import type { Rng } from '../../core/rng.ts'
import type { WalkEdge } from '../../core/sampled-walk.ts'
import { ensureCapacity, type Neighbours } from '../port.ts'
import { pair } from './layout.ts'
import type { Table } from './table.ts'

const entryBytes = 6
const headerBytes = 4
/** With its key a full chunk just fits twice into a page of 4 KiB, as LMDB wants of a value that is not to overflow. */
const chunkEntries = 320

/** Chunk 0 begins with the list's length, u32. */
export class SlotLists {
  readonly #table: Table
  #reading: Buffer = Buffer.alloc(0)

  constructor(table: Table) {
    this.#table = table
  }

  length(node: number): number {
    const chunk = this.#table.get(pair(node, 0))
    return chunk === undefined ? 0 : chunk.readUInt32LE(0)
  }

  at(node: number, slot: number, into: WalkEdge): void {
    this.#load(node, slot)
    const at = offsetOf(slot)
    into.neighbour = this.#reading.readUInt32LE(at)
    into.weight = this.#reading.readUInt16LE(at + 4)
  }

  /** An entry drawn evenly; false for an empty list. One read where the list is one chunk. */
  draw(node: number, rng: Rng, into: WalkEdge): boolean {
    const chunk = this.#table.get(pair(node, 0))
    if (chunk === undefined) return false
    const slot = rng.below(chunk.readUInt32LE(0))
    if (slot >= chunkEntries) this.at(node, slot, into)
    else {
      into.neighbour = chunk.readUInt32LE(offsetOf(slot))
      into.weight = chunk.readUInt16LE(offsetOf(slot) + 4)
    }
    return true
  }

  all(node: number, into: Neighbours): void {
    const length = this.length(node)
    ensureCapacity(into, length)
    into.length = length
    for (let slot = 0; slot < length; slot++) {
      if (slot % chunkEntries === 0) this.#load(node, slot)
      const at = offsetOf(slot)
      into.ids[slot] = this.#reading.readUInt32LE(at)
      into.weights[slot] = this.#reading.readUInt16LE(at + 4)
    }
  }

  /** Adds an entry at the end; returns its slot. */
  append(node: number, entry: WalkEdge): number {
    const slot = this.length(node)
    this.#setLength(node, slot + 1)
    this.set(node, slot, entry)
    return slot
  }

  set(node: number, slot: number, { neighbour, weight }: WalkEdge): void {
    const at = offsetOf(slot)
    const chunk = this.#edit(node, slot, at + entryBytes)
    chunk.writeUInt32LE(neighbour, at)
    chunk.writeUInt16LE(weight, at + 4)
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
    const lastChunk = Math.floor(last / chunkEntries)
    if (last === 0) this.#table.remove(pair(node, 0))
    else {
      this.#setLength(node, last)
      if (last % chunkEntries === 0) this.#table.remove(pair(node, lastChunk))
    }
    return moved.neighbour
  }

  #load(node: number, slot: number): void {
    const chunk = this.#table.get(pair(node, Math.floor(slot / chunkEntries)))
    assert(chunk !== undefined, 'chunk of a list')
    this.#reading = chunk
  }

  #setLength(node: number, length: number): void {
    this.#edit(node, 0, headerBytes).writeUInt32LE(length, 0)
  }

  /** The chunk of `slot` in this transaction's memory, at least `bytes` long; to be written at its end. */
  #edit(node: number, slot: number, bytes: number): Buffer {
    const key = pair(node, Math.floor(slot / chunkEntries))
    const chunk = this.#table.edit(key, bytes)
    return chunk
  }
}

function offsetOf(slot: number): number {
  return headerBytes + (slot % chunkEntries) * entryBytes
}
