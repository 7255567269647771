// Stage relay: the outbox's flushed rows to the sinks, in order. What a crash interrupts is delivered again.
import type { Sink } from '../sink/port.ts'
import type { Store } from '../store/port.ts'

/** Rows handed to a sink at a time. */
const relayRowsMax = 1024

/** Delivers to each sink the change events below number `changes`: those that are on disk. */
export async function relay(store: Store, sinks: readonly Sink[], changes: number): Promise<void> {
  for (const sink of sinks) {
    while (sink.next < changes) {
      const rows = store.changes(sink.next, Math.min(relayRowsMax, changes - sink.next))
      if (rows.length === 0) break
      await sink.deliver(rows)
    }
  }
}
