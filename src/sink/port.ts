// Port of a sink: takes change events in order; each at least once, with the same event_id when it comes again.
import type { ChangeRow } from '../store/port.ts'

export type Sink = {
  /** Name of its cursor in the store. */
  readonly name: string
  /** Number of the change row that the sink has not taken yet. */
  readonly next: number
  /** Takes rows in order; resolves when they will survive a crash of this process. */
  deliver(rows: readonly ChangeRow[]): Promise<void>
  close(): Promise<void>
}
