// Oracle records as the pipeline consumes them: bytes of one log at consecutive offsets, each knowing its position.
import type { RecordFormat } from '../../src/codec/event.ts'
import { importOf } from '../../src/codec/prototypes.ts'
import type { ControlRecord } from '../../src/core/event.ts'
import type { UserId } from '../../src/core/ids.ts'
import type { RecordBatch, SourceRecord } from '../../src/source/port.ts'
import type { OracleEvent, OracleImport, OracleRecord } from '../oracle/model.ts'

/** The name of the one log that tests consume. */
export const logName = 'log'

/** `positions[offset]`: the oracle's position of the record at this offset (an import is two records here). */
export type EncodedRecords = {
  readonly records: readonly SourceRecord[]
  readonly positions: readonly number[]
}

/**
 * Each event as JSON, each erasure as a control record, each import as the control record and at once the switch to
 * the version it makes (one that repeats the active content makes none: its switch names what is active).
 */
export function encodeRecords(records: Iterable<OracleRecord>): EncodedRecords {
  const encoded: SourceRecord[] = []
  const positions: number[] = []
  const add = (position: number, record: Bytes) => {
    encoded.push(recordAt(encoded.length, record))
    positions.push(position)
  }
  let version = 0
  let activeHash = ''
  let position = 0
  for (const record of records) {
    if (record.kind === 'event') add(position, eventBytes(record))
    if (record.kind === 'erase') add(position, eraseBytes(record.user_id))
    if (record.kind === 'import') {
      const control = importControl(record)
      if (control.set.hash !== activeHash) version++
      activeHash = control.set.hash
      add(position, controlBytes(control))
      add(position, controlBytes({ kind: 'switch', version }))
    }
    position++
  }
  return { records: encoded, positions }
}

export type Bytes = { readonly text: string; readonly format: RecordFormat }

export function eventBytes(event: OracleEvent): Bytes {
  const { kind: _kind, ...fields } = event
  return { text: JSON.stringify(fields), format: { kind: 'json' } }
}

export function controlBytes(control: ControlRecord): Bytes {
  return { text: JSON.stringify(control), format: { kind: 'control' } }
}

export function eraseBytes(userId: string): Bytes {
  return controlBytes({ kind: 'erase', userId: userId as UserId })
}

export function importControl({
  labels,
  personaSet,
}: OracleImport): Extract<ControlRecord, { kind: 'import' }> {
  return { kind: 'import', set: importOf(labels, personaSet?.personas) }
}

export function recordAt(offset: number, { text, format }: Bytes): SourceRecord {
  return {
    offset,
    ref: { source: logName, offset },
    format,
    text,
    wellFormed: true,
    bytes: () => Buffer.from(text),
  }
}

/**
 * The same with broken records in between, at `places` in thousandths: no JSON, no such type, then a control record
 * that has the first ones tried again, and so on.
 */
export function withBroken(records: readonly SourceRecord[], places: readonly number[]): SourceRecord[] {
  const all: Bytes[] = [...records]
  const users = records.flatMap(({ text }) => /"user_id":("(?:[^"\\\\]|\\\\.)*")/.exec(text)?.[1] ?? [])
  places.forEach((place, nth) => {
    const kinds: Bytes[] = [
      { text: `{"event_id": ${nth}`, format: { kind: 'json' } },
      { text: `{"type":"gift","user_id":${users[place % users.length] ?? '""'}}`, format: { kind: 'json' } },
      controlBytes({ kind: 'requeue', quarantineIds: [0, 1, 2] }),
    ]
    all.splice(Math.floor((place * all.length) / 1000), 0, kinds[nth % kinds.length]!)
  })
  return all.map((bytes, offset) => recordAt(offset, bytes))
}

/** The records of [from, to) as one batch. */
export function batchOf(records: readonly SourceRecord[], from = 0, to = records.length): RecordBatch {
  return { source: logName, records: records.slice(from, to), next: Math.min(to, records.length) }
}
