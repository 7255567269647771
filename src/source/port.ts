// Port of a source: records in offset order, from where the store's watermark says. The store owns the offsets;
// a source delivers each record at least once and never skips one.
import type { RecordFormat } from '../codec/event.ts'
import type { Envelope } from '../codec/kafka-value.ts'
import type { RecordRef } from '../core/event.ts'

/** One record as consumed: `offset` in the source, `ref` where it came from (a log may carry a file's lines). */
export type SourceRecord = {
  readonly offset: number
  readonly ref: RecordRef
  readonly format: RecordFormat
  /** The record as UTF-8 text; replacement characters where `wellFormed` is false. */
  readonly text: string
  readonly wellFormed: boolean
  /** The original bytes, for quarantine. */
  bytes(): Uint8Array
  /** What a record of a topic is beside its value; none for others. */
  readonly envelope?: Envelope
}

/** Consecutive records of one source; `next` is the watermark once they are applied. */
export type RecordBatch = {
  readonly source: string
  readonly records: readonly SourceRecord[]
  readonly next: number
  /** Offset that these records go on from, for a source whose offsets have gaps: nothing lies between it and the first. */
  readonly from?: number
  /** Writer schemas that these records need, by key: kept with them. */
  readonly schemas?: ReadonlyMap<string, string>
  /** The source begins here, or anew: `next` is where it is read from, wherever the watermark stood. */
  readonly begins?: boolean
}

export type Source = {
  readonly name: string
  /** The next records from `from`, at most `recordsMax`; undefined when there are none now. */
  read(from: number, recordsMax: number): RecordBatch | undefined
  /** Resolves when there may be records at or after `from`, or on `signal`. */
  wait(from: number, signal: AbortSignal): Promise<void>
}

/**
 * A stream of several sources that come and go: the partitions of topics that this process owns now. It starts each at
 * the store's watermark, and delivers each source's records in order, at least once and without a hole.
 */
export type Stream = {
  /** The next batch of any of its sources, at most `recordsMax` records; undefined when there is none now. */
  take(recordsMax: number): RecordBatch | undefined
  /** Resolves when there may be something to take, or on `signal`. */
  wait(signal: AbortSignal): Promise<void>
  /** Records of `source` below `next` are on disk: others may be shown so. */
  consumed(source: string, next: number): void
}
