// Port of a source: records in offset order, from where the store's watermark says. The store owns the offsets;
// a source delivers each record at least once and never skips one.
import type { RecordFormat } from '../codec/event.ts'
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
}

/** Consecutive records of one source; `next` is the watermark once they are applied. */
export type RecordBatch = {
  readonly source: string
  readonly records: readonly SourceRecord[]
  readonly next: number
}

export type Source = {
  readonly name: string
  /** The next records from `from`, at most `recordsMax`; undefined when there are none now. */
  read(from: number, recordsMax: number): RecordBatch | undefined
  /** Resolves when there may be records at or after `from`, or on `signal`. */
  wait(from: number, signal: AbortSignal): Promise<void>
}
