// The part of the LMDB store that keeps what is set aside: quarantined records, erased users, bytes still to remove.
import { createHmac } from 'node:crypto'
import type * as port from '../port.ts'
import type { Environment } from './environment.ts'
import { everything, parseJson } from './layout.ts'
import { decodeQuarantined, encodeQuarantined } from './rows.ts'
import type { TransactionState } from './transaction.ts'

type ErasureMethods =
  | 'quarantinedRecords'
  | 'quarantinedRecord'
  | 'addQuarantined'
  | 'updateQuarantined'
  | 'removeQuarantined'
  | 'tombstone'
  | 'tombstoneCount'
  | 'putTombstone'
  | 'scrubs'
  | 'addScrub'
  | 'removeScrub'

export function erasureTables(
  environment: Environment,
  { state, key }: { state: TransactionState; key: string },
): Pick<port.StoreWriter, ErasureMethods> {
  const hashOf = (userId: string) => createHmac('sha256', key).update(userId).digest('hex')
  return {
    quarantinedRecords(from: number, limit: number): port.QuarantinedRecord[] {
      const { quarantine } = environment.tables
      const found: port.QuarantinedRecord[] = []
      for (const key of quarantine.keys(from, everything)) {
        if (found.length >= limit) break
        found.push(decodeQuarantined(key, quarantine.get(key)!))
      }
      return found
    },

    quarantinedRecord(id: number): port.QuarantinedRecord | undefined {
      const bytes = environment.tables.quarantine.get(id)
      return bytes && decodeQuarantined(id, bytes)
    },

    addQuarantined(record: Omit<port.QuarantinedRecord, 'id'>): number {
      const id = state.count.quarantineIds++
      state.count.quarantined++
      environment.tables.quarantine.put(id, encodeQuarantined(record))
      return id
    },

    updateQuarantined(record: port.QuarantinedRecord): void {
      environment.tables.quarantine.put(record.id, encodeQuarantined(record))
    },

    removeQuarantined(id: number): void {
      if (environment.tables.quarantine.get(id) === undefined) return
      environment.tables.quarantine.remove(id)
      state.count.quarantined--
    },

    tombstone(userId: string): port.Tombstone | undefined {
      if (!userId.isWellFormed()) return undefined
      const bytes = environment.named.tombstones.get(hashOf(userId))
      return bytes && parseJson(bytes)
    },

    tombstoneCount(): number {
      const erased = state.erased ?? new Set(environment.named.tombstones.keys(''))
      if (state.writing) state.erased = erased // a transaction looks once; a reader looks again
      return erased.size
    },

    putTombstone(userId: string, tombstone: port.Tombstone): void {
      environment.named.tombstones.put(hashOf(userId), Buffer.from(JSON.stringify(tombstone)))
      state.erased = undefined
    },

    scrubs(): { id: number; scrub: port.Scrub }[] {
      const { scrubs } = environment.tables
      return [...scrubs.keys(0, everything)].map((id) => ({
        id,
        scrub: parseJson<port.Scrub>(scrubs.get(id)!),
      }))
    },

    addScrub(scrub: port.Scrub): void {
      const { scrubs } = environment.tables
      const last = [...scrubs.keys(0, everything)].at(-1) ?? -1
      scrubs.put(last + 1, Buffer.from(JSON.stringify(scrub)))
    },

    removeScrub(id: number): void {
      environment.tables.scrubs.remove(id)
    },
  }
}
