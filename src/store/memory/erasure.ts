// Quarantine, and what is kept of erased users, in memory.
import { assert } from '../../core/assert.ts'
import type { QuarantinedRecord, Scrub, StoreWriter, Tombstone } from '../port.ts'
import { ascendingKeys, type MemoryState, page } from './undo.ts'

export function erasurePart(state: MemoryState) {
  const { undo } = state
  const tombstones = new Map<string, Tombstone>()
  const scrubs = new Map<number, Scrub>()
  return {
    tombstone: (userId) => structuredClone(tombstones.get(userId)),
    tombstoneCount: () => tombstones.size,
    putTombstone: (userId, tombstone) => undo.set(tombstones, userId, structuredClone(tombstone)),
    scrubs: () => ascendingKeys(scrubs).map((id) => ({ id, scrub: scrubs.get(id)! })),
    addScrub: (scrub) =>
      undo.set(scrubs, (ascendingKeys(scrubs).at(-1) ?? -1) + 1, Object.freeze({ ...scrub })),
    removeScrub: (id) => undo.set(scrubs, id, undefined),
    ...quarantinePart(state),
  } satisfies Partial<StoreWriter>
}

function quarantinePart({ undo, count }: MemoryState) {
  const records = new Map<number, QuarantinedRecord>()
  return {
    quarantinedRecords: (from, limit) =>
      page(records, { from, end: count.quarantineIds, limit }).map((record) => copyOf(record)),
    quarantinedRecord(id) {
      const record = records.get(id)
      return record && copyOf(record)
    },
    addQuarantined(record) {
      const id = count.quarantineIds++
      count.quarantined++
      undo.set(records, id, copyOf({ ...record, id }))
      return id
    },
    updateQuarantined(record) {
      assert(records.has(record.id), 'a quarantined record to update')
      undo.set(records, record.id, copyOf(record))
    },
    removeQuarantined(id) {
      if (!records.has(id)) return
      undo.set(records, id, undefined)
      count.quarantined--
    },
  } satisfies Partial<StoreWriter>
}

function copyOf({ bytes, ...record }: QuarantinedRecord): QuarantinedRecord {
  return { ...record, bytes: Uint8Array.from(bytes) }
}
