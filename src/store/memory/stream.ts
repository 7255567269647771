// Where the stream stands, in memory: dedupe, watermarks, the commit journal, change rows and who has read them.
import type { ChangeRow, ErasureRow, JournalEntry, SinkCursor, StoreWriter } from '../port.ts'
import { SeenIds } from './seen.ts'
import { ascendingKeys, type MemoryState, page, type UndoLog } from './undo.ts'

export function streamPart(state: MemoryState, { dedupeHorizon }: { dedupeHorizon: number }) {
  const { undo } = state
  const seen = new SeenIds(undo, dedupeHorizon)
  const watermarks = new Map<string, number>()
  const cursors = new Map<string, SinkCursor>()
  const schemas = new Map<string, string>()
  return {
    seen: (eventId, position) => seen.seen(eventId, position),
    remember: (eventId, position) => seen.remember(eventId, position),
    watermark: (source) => watermarks.get(source) ?? 0,
    watermarks: () => Object.fromEntries(watermarks),
    setWatermark: (source, next) => undo.set(watermarks, source, next),
    schema: (key) => schemas.get(key),
    putSchema: (key, schema) => undo.set(schemas, key, schema),
    sinkCursor: (name) => cursors.get(name),
    sinkCursors: () => Array.from(cursors, ([name, cursor]) => ({ name, ...cursor })),
    setSinkCursor: (name, cursor) => undo.set(cursors, name, Object.freeze({ ...cursor })),
    dropSinkCursor: (name) => undo.set(cursors, name, undefined),
    ...journalPart(undo),
    ...changesPart(state),
    ...erasuresPart(state),
  } satisfies Partial<StoreWriter>
}

function journalPart(undo: UndoLog) {
  let entries: JournalEntry[] = []
  return {
    journal: () => [...entries],
    /** An entry that goes on where the last one ends, in the same source, extends it. */
    addJournal(entry) {
      const last = entries.at(-1)
      const goesOn = last !== undefined && last.source === entry.source && last.to === entry.from
      if (goesOn) entries.pop()
      entries.push(Object.freeze(goesOn ? { ...last, to: entry.to } : { ...entry }))
      undo.add(() => {
        entries.pop()
        if (goesOn) entries.push(last)
      })
    },
    trimJournal(kept) {
      const before = entries
      entries = entries.slice(Math.max(0, entries.length - kept))
      undo.add(() => {
        entries = before
      })
    },
  } satisfies Partial<StoreWriter>
}

function changesPart({ undo, count }: MemoryState) {
  const rows = new Map<number, ChangeRow>()
  let begin = 0
  function removeWhere(test: (row: ChangeRow) => boolean): void {
    for (const row of [...rows.values()]) if (test(row)) undo.set(rows, row.number, undefined)
  }
  return {
    changes: (from, limit) => page(rows, { from, end: count.changes, limit }),
    addChange(userIndex, json) {
      const number = count.changes++
      undo.set(rows, number, Object.freeze({ number, userIndex, json }))
    },
    removeChangesOf: (user) => removeWhere(({ userIndex }) => userIndex === user),
    changesBegin: () => begin,
    trimChanges(before) {
      removeWhere(({ number }) => number < before)
      const was = begin
      undo.add(() => {
        begin = was
      })
      begin = Math.max(begin, before)
    },
  } satisfies Partial<StoreWriter>
}

function erasuresPart({ undo, count }: MemoryState) {
  const rows = new Map<number, ErasureRow>()
  return {
    erasures: (from, before) =>
      ascendingKeys(rows)
        .filter((number) => number >= from && number < before)
        .map((number) => rows.get(number)!),
    addErasure(userId) {
      const number = count.changes++
      undo.set(rows, number, Object.freeze({ number, userId }))
    },
    trimErasures(before) {
      for (const number of [...rows.keys()]) if (number < before) undo.set(rows, number, undefined)
    },
  } satisfies Partial<StoreWriter>
}
