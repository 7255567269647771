// Port of a sink: takes change events in order; each at least once, with the same event_id when it comes again.
import type { ChangeRow, ErasureRow, QuarantinedRecord } from '../store/port.ts'

/** A change event, or the erasure of a user at its place between them. */
export type OutboxRow = ChangeRow | ErasureRow

/**
 * What takes rows in order. It tries again by itself what may go well later, and rejects with FatalError what may not;
 * when it is closed it gives up what it is at: `next` says how far it came.
 */
type Taker<Row> = {
  /** Name of its cursor in the store. */
  readonly name: string
  /** Number of the row that the sink has not taken yet. */
  readonly next: number
  /** Takes rows in order; resolves when they will survive a crash of this process. */
  deliver(rows: readonly Row[]): Promise<void>
  /**
   * A delivery costs as much as many rows: while batches are full, and as long as few rows wait, deliveries begin
   * this long apart, ms.
   */
  readonly lingerMs?: number
  close(): Promise<void>
}

/**
 * `takesErasures`: it is told of erased users too; others get change rows alone. `idle`: nobody wants what it takes now, so
 * it keeps no cursor, and nothing is kept for it.
 */
export type Sink = Taker<OutboxRow> & { readonly takesErasures?: boolean; readonly idle?: boolean }

/** Takes records that could not be applied, by the id they have in quarantine. */
export type DeadLetterSink = Taker<QuarantinedRecord>
