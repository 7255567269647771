// In-memory adapter of the store, for tests and evidence graphs: maps, a graphology graph, and an undo log.
// Rows are copied on their way in and out, or frozen.
import type * as port from '../port.ts'
import { emptyCounters } from '../port.ts'
import { erasurePart } from './erasure.ts'
import { nodesPart } from './nodes.ts'
import { streamPart } from './stream.ts'
import { type MemoryState, UndoLog } from './undo.ts'
import { versionsPart } from './versions.ts'

export function openMemoryStore({ dedupeHorizon }: { dedupeHorizon: number }): port.Store {
  const state: MemoryState = { undo: new UndoLog(), count: emptyCounters() }
  const writer: port.StoreWriter = {
    count: state.count,
    counters: () => ({ ...state.count }),
    ...nodesPart(state),
    ...versionsPart(state),
    ...streamPart(state, { dedupeHorizon }),
    ...erasurePart(state),
  }
  return {
    ...writer,
    transact: (change) => transact(state, () => change(writer)),
    flushed: async () => {},
    close: async () => {},
  }
}

function transact<T>({ undo, count }: MemoryState, change: () => T): T {
  undo.begin()
  const before = { ...count }
  try {
    const result = change()
    undo.commit()
    return result
  } catch (error) {
    undo.rollback()
    Object.assign(count, before)
    throw error
  }
}
