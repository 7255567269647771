// The embedded log: an append-only sequence of records in an LMDB environment of its own. Any process may append
// (LMDB serialises writers); the one ingest process consumes it exactly as it would a topic partition.
import type { Database, RootDatabase } from 'lmdb'
import type { ControlRecord } from '../core/event.ts'
import { closeLmdb, mapUseOf, transact, writeFailure } from '../lmdb/open.ts'
import {
  type BlockInput,
  blockCount,
  decodeBlock,
  type EncodedBlock,
  encodedBlock,
  scrubBlock,
} from './log-block.ts'
import type { RecordBatch, Source, SourceRecord } from './port.ts'

/** The log's name in watermarks and causes. */
export const logName = 'log'

/** Other processes do not tell when they append; each look for it costs the lookups of this one a little. */
const pollMsDefault = 100
/** Blocks dropped by one trim at the most: retention is paid in small pieces. */
const trimBlocksMax = 65_536

type NumberedTable = Database<Buffer, number>
type NamedTable = Database<Buffer, string>
export type LogTables = {
  readonly path: string
  readonly env: RootDatabase
  readonly blocks: NumberedTable
  readonly names: NamedTable
}

/** A position in what a producer reads (a file's lines): appended with the records, so that it resumes exactly. */
export type ProducerMark = { readonly name: string; readonly next: number; readonly finished?: boolean }
export type ProducerState = { readonly next: number; readonly finished: boolean }

export class EmbeddedLog implements Source {
  readonly name = logName
  readonly #tables: LogTables
  readonly #pollMs: number
  /** The block read last: consuming goes on in it, and from it to its neighbour. */
  #block: { first: number; records: SourceRecord[] } = { first: 0, records: [] }
  /** Ends the pause of a consumer that waits. */
  #look: () => void = () => {}

  /** `pollMs`: how often a consumer that waits looks for what nobody told it of. */
  constructor(tables: LogTables, pollMs = pollMsDefault) {
    this.#tables = tables
    this.#pollMs = pollMs
  }

  /** Offset of the next record to be appended. */
  get end(): number {
    return this.#number('end')
  }

  /** Appends whole: records and the producer's mark in one transaction. Durable once `flushed` resolves. */
  append(blocks: readonly BlockInput[], mark?: ProducerMark): { first: number; next: number } {
    return this.appendEncoded(blocks.map(encodedBlock), mark)
  }

  /** Appends blocks that are encoded already. */
  appendEncoded(blocks: readonly EncodedBlock[], mark?: ProducerMark): { first: number; next: number } {
    return this.#write(() => {
      const first = this.end
      let next = first
      for (const block of blocks) {
        if (block.count === 0) continue
        this.#tables.blocks.put(next, Buffer.from(block.bytes.buffer as ArrayBuffer))
        next += block.count
      }
      this.#setNumber('end', next)
      if (mark !== undefined) {
        const state: ProducerState = { next: mark.next, finished: mark.finished ?? false }
        this.#tables.names.put(`producer:${mark.name}`, Buffer.from(JSON.stringify(state)))
      }
      return { first, next }
    })
  }

  appendControl(control: ControlRecord, mark?: ProducerMark): { first: number; next: number } {
    return this.append(
      [{ format: { kind: 'control' }, records: [Buffer.from(JSON.stringify(control))] }],
      mark,
    )
  }

  /** Appends the record that switches to `version`, once: a crash does not make it come twice. */
  appendSwitch(version: number): void {
    const mark = { name: 'switch', next: version }
    if (this.producer(mark.name).next < version) this.appendControl({ kind: 'switch', version }, mark)
  }

  producer(name: string): ProducerState {
    const bytes = this.#tables.names.get(`producer:${name}`)
    return bytes === undefined
      ? { next: 0, finished: false }
      : (JSON.parse(bytes.toString('utf8')) as ProducerState)
  }

  async flushed(): Promise<void> {
    await this.#tables.env.flushed
  }

  read(from: number, recordsMax: number): RecordBatch | undefined {
    const records: SourceRecord[] = []
    let next = from
    while (records.length < recordsMax && this.#load(next)) {
      const { first, records: block } = this.#block
      const taken = block.slice(next - first, next - first + recordsMax - records.length)
      for (const record of taken) records.push(record)
      next += taken.length
    }
    return records.length === 0 ? undefined : { source: logName, records, next }
  }

  async wait(from: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.end <= from) await this.#pause(signal)
  }

  /** Resolves after a while, when it is said that there is something, or on `signal`. */
  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const over = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', over)
        resolve()
      }
      const timer = setTimeout(over, this.#pollMs)
      signal.addEventListener('abort', over)
      this.#look = over
    })
  }

  /** Another thread has appended: who waits here looks at once, and at what is there now. */
  appended(): void {
    this.#tables.env.resetReadTxn() // it may have read the end in this turn already
    this.#look()
  }

  /** Drops whole blocks below `before`: what is dropped must have been consumed. */
  trim(before: number): void {
    if (before <= this.#number('begin')) return
    this.#write(() => {
      let begin = this.#number('begin')
      for (let dropped = 0; dropped < trimBlocksMax; dropped++) {
        const block = this.#tables.blocks.getBinaryFast(begin)
        const next = block === undefined ? this.#firstBlock(begin) : begin + blockCount(block)
        if (next === undefined || next > before) break
        this.#tables.blocks.remove(begin)
        begin = next
      }
      this.#setNumber('begin', begin)
    })
  }

  /**
   * After a power loss the log may have lost records that the state has applied (they are flushed apart): offsets go on
   * behind the state's watermark, so that no new record takes the place of an applied one.
   */
  ensureEnd(watermark: number): void {
    if (this.end >= watermark) return
    this.#write(() => this.#setNumber('end', Math.max(this.end, watermark)))
  }

  /** Removes the bytes of the records below `before` that `erase` picks; their offsets stay. Returns how many blocks changed. */
  scrub(before: number, erase: (record: SourceRecord) => boolean): number {
    this.#block = { first: 0, records: [] }
    return this.#write(() => {
      let changed = 0
      for (const first of [...this.#tables.blocks.getKeys({ start: 0, end: before })]) {
        const scrubbed = scrubBlock(this.#tables.blocks.get(first)!, { first, logName }, erase)
        if (scrubbed === undefined) continue
        this.#tables.blocks.put(first, scrubbed)
        changed++
      }
      return changed
    })
  }

  /** Copies the log to a directory, as of now. */
  async backup(path: string): Promise<void> {
    await this.#tables.env.backup(path, true)
  }

  /** Bytes of the memory map that are in use, and its size. */
  mapUse(): { used: number; size: number } {
    return mapUseOf(this.#tables.env)
  }

  /** One transaction; a full disk is said as such. */
  #write<T>(change: () => T): T {
    try {
      return transact(this.#tables.env, change)
    } catch (error) {
      throw writeFailure(error, this.#tables.path)
    }
  }

  async close(): Promise<void> {
    await closeLmdb(this.#tables.env)
  }

  /** Makes the block that holds `offset` current; false when there is none. */
  #load(offset: number): boolean {
    const { first, records } = this.#block
    if (offset >= first && offset < first + records.length) return true
    const start = this.#tables.blocks.getBinaryFast(offset) === undefined ? this.#blockBefore(offset) : offset
    const found = start ?? this.#firstBlock(offset)
    if (found === undefined) return false
    const block = this.#tables.blocks.get(found)!
    const decoded = decodeBlock(block, { first: found, logName })
    if (offset >= found + decoded.length || found > offset) return false
    this.#block = { first: found, records: decoded }
    return true
  }

  #blockBefore(offset: number): number | undefined {
    for (const key of this.#tables.blocks.getKeys({ start: offset, end: 0, reverse: true, limit: 1 }))
      return key
    return undefined
  }

  #firstBlock(from: number): number | undefined {
    for (const key of this.#tables.blocks.getKeys({ start: from, end: Number.MAX_SAFE_INTEGER, limit: 1 }))
      return key
    return undefined
  }

  #number(name: string): number {
    return this.#tables.names.getBinaryFast(name)?.readDoubleLE(0) ?? 0
  }

  #setNumber(name: string, value: number): void {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleLE(value, 0)
    this.#tables.names.put(name, bytes)
  }
}
