// The part of the LMDB store that keeps the stream: dedupe, watermarks, commit journal, outbox, sinks' cursors.
import type { EventId, UserIndex } from '../../core/ids.ts'
import type * as port from '../port.ts'
import { type Environment, readMeta, writeMeta } from './environment.ts'
import { everything, parseJson } from './layout.ts'
import type { SeenIds } from './seen.ts'
import type { TransactionState } from './transaction.ts'

type StreamMethods =
  | 'seen'
  | 'remember'
  | 'watermark'
  | 'watermarks'
  | 'setWatermark'
  | 'schema'
  | 'putSchema'
  | 'journal'
  | 'addJournal'
  | 'trimJournal'
  | 'changes'
  | 'changesBegin'
  | 'addChange'
  | 'removeChangesOf'
  | 'trimChanges'
  | 'erasures'
  | 'addErasure'
  | 'trimErasures'
  | 'sinkCursor'
  | 'sinkCursors'
  | 'setSinkCursor'
  | 'dropSinkCursor'

export function streamTables(
  environment: Environment,
  { state, seen }: { state: TransactionState; seen: SeenIds },
): Pick<port.StoreWriter, StreamMethods> {
  return {
    seen(eventId: EventId, position: number): boolean {
      return seen.seen(eventId, position)
    },

    remember(eventId: EventId, position: number): void {
      seen.remember(eventId, position)
    },

    watermark(source: string): number {
      return environment.named.watermarks.get(source)?.readDoubleLE(0) ?? 0
    },

    watermarks(): Readonly<Record<string, number>> {
      const { watermarks } = environment.named
      return Object.fromEntries(
        [...watermarks.keys('')].map((source) => [source, watermarks.get(source)!.readDoubleLE(0)]),
      )
    },

    setWatermark(source: string, next: number): void {
      const bytes = Buffer.allocUnsafe(8)
      bytes.writeDoubleLE(next, 0)
      environment.named.watermarks.put(source, bytes)
    },

    schema(key: string): string | undefined {
      return environment.named.schemas.get(key)?.toString('utf8')
    },

    putSchema(key: string, schema: string): void {
      environment.named.schemas.put(key, Buffer.from(schema))
    },

    *journal(): Iterable<port.JournalEntry> {
      const { journal } = environment.tables
      for (const key of [...journal.keys(0, everything)]) yield parseJson(journal.get(key)!)
    },

    addJournal(entry: port.JournalEntry): void {
      const { journal } = environment.tables
      const key = readMeta<number>(environment, 'journal_last') ?? -1
      const bytes = journal.get(Math.max(key, 0))
      const last = bytes && parseJson<port.JournalEntry>(bytes)
      const extends_ = last?.source === entry.source && last.to === entry.from
      const next = extends_ ? key : key + 1
      if (!extends_) writeMeta(environment, 'journal_last', next)
      const merged = extends_ && last !== undefined ? { ...last, to: entry.to } : entry
      journal.put(next, Buffer.from(JSON.stringify(merged)))
    },

    trimJournal(entries: number): void {
      const { journal } = environment.tables
      const last = readMeta<number>(environment, 'journal_last') ?? -1
      for (const key of [...journal.keys(0, Math.max(0, last + 1 - entries))]) journal.remove(key)
    },

    changes(from: number, limit: number): port.ChangeRow[] {
      const { outbox } = environment.tables
      const found: port.ChangeRow[] = []
      if (limit === 0) return found
      for (const number of outbox.keys(from, everything)) {
        const bytes = outbox.get(number)!
        found.push({ number, userIndex: bytes.readUInt32LE(0) as UserIndex, json: bytes.toString('utf8', 4) })
        if (found.length === limit) break
      }
      return found
    },

    changesBegin(): number {
      return readMeta<number>(environment, 'changes_begin') ?? 0
    },

    addChange(userIndex: UserIndex, json: string): void {
      const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(json))
      bytes.writeUInt32LE(userIndex, 0)
      bytes.write(json, 4, 'utf8')
      environment.tables.outbox.put(state.count.changes++, bytes)
    },

    removeChangesOf(user: UserIndex): void {
      const { outbox } = environment.tables
      for (const key of [...outbox.keys(0, everything)])
        if (outbox.get(key)?.readUInt32LE(0) === user) outbox.remove(key)
    },

    trimChanges(before: number): void {
      const { outbox } = environment.tables
      for (const key of [...outbox.keys(0, before)]) outbox.remove(key)
      if (before > (readMeta<number>(environment, 'changes_begin') ?? 0))
        writeMeta(environment, 'changes_begin', before)
    },

    erasures(from: number, before: number): port.ErasureRow[] {
      const { erasures } = environment.tables
      return [...erasures.keys(from, before)].map((number) => ({
        number,
        userId: erasures.get(number)!.toString('utf8'),
      }))
    },

    addErasure(userId: string): void {
      environment.tables.erasures.put(state.count.changes++, Buffer.from(userId))
    },

    trimErasures(before: number): void {
      const { erasures } = environment.tables
      for (const key of [...erasures.keys(0, before)]) erasures.remove(key)
    },

    sinkCursor(name: string): port.SinkCursor | undefined {
      const bytes = environment.named.sinks.get(name)
      return bytes && parseJson(bytes)
    },

    sinkCursors(): readonly port.NamedSinkCursor[] {
      const { sinks } = environment.named
      return [...sinks.keys('')].map((name) => ({
        name,
        ...parseJson<port.SinkCursor>(sinks.get(name)!),
      }))
    },

    setSinkCursor(name: string, cursor: port.SinkCursor): void {
      environment.named.sinks.put(name, Buffer.from(JSON.stringify(cursor)))
    },

    dropSinkCursor(name: string): void {
      environment.named.sinks.remove(name)
    },
  }
}
