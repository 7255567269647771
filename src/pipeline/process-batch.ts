// THE file: the stages in order, in one transaction a batch.
//   decode → (dedupe, apply → affected → walk → decide) per record → outbox, watermark and journal with the state.
import { isUtf8 } from 'node:buffer'
import { decodeEnvelope, encodeEnvelope } from '../codec/envelope.ts'
import { decodeControl, decodeEvent, type RecordFormat } from '../codec/event.ts'
import { assert, unreachable } from '../core/assert.ts'
import type { ControlRecord, RecordRef, ShopEvent } from '../core/event.ts'
import { FatalError, InvalidRecordError, messageOf } from '../errors.ts'
import type { RecordBatch, SourceRecord } from '../source/port.ts'
import type { QuarantinedRecord, Store } from '../store/port.ts'
import { applyEvent, type Outcome } from './apply-event.ts'
import { recalibrate } from './calibrate.ts'
import { type Engine, resetEngine } from './engine.ts'
import { eraseUser } from './erase.ts'
import type { Run } from './run.ts'
import { writeDirty } from './run.ts'
import { quarantinedToldMax } from './tally.ts'
import { beginImport, switchCause, switchVersion } from './version.ts'

/** What happened to the records of one batch, by count. */
export type BatchCounts = {
  records: number
  applied: number
  duplicates: number
  blocked: number
  quarantined: number
  controls: number
}

/** Applies a batch whole: state, watermark, journal and outbox change in one transaction, or nothing does. */
export function processBatch(
  { store, engine }: { store: Store; engine: Engine },
  batch: RecordBatch,
): BatchCounts {
  const counts: BatchCounts = {
    records: 0,
    applied: 0,
    duplicates: 0,
    blocked: 0,
    quarantined: 0,
    controls: 0,
  }
  try {
    return store.transact((tx) => {
      const run: Run = { engine, tx }
      const position = tx.count.position
      const from = tx.watermark(batch.source)
      assert(batch.begins === true || (batch.from ?? 0) <= from, 'a batch goes on where its source stands')
      for (const [key, schema] of batch.schemas ?? [])
        if (tx.schema(key) === undefined) tx.putSchema(key, schema)
      for (const record of batch.records) {
        if (record.offset < from) continue // redelivered: already in the state
        processRecord(run, record, { source: batch.source, counts })
        counts.records++
      }
      writeDirty(run, false)
      if (batch.begins === true) tx.setWatermark(batch.source, batch.next)
      else if (batch.next > from) {
        tx.setWatermark(batch.source, batch.next)
        tx.addJournal({ source: batch.source, from, to: batch.next, position })
      }
      return counts
    })
  } catch (error) {
    resetEngine(engine, store)
    throw error
  }
}

function processRecord(
  run: Run,
  record: SourceRecord,
  { source, counts }: { source: string; counts: BatchCounts },
): void {
  const consumed: RecordRef = { source, offset: record.offset }
  if (record.format.kind === 'erased') {
    run.tx.count.position++
    return
  }
  if (record.format.kind === 'control') {
    counts.controls++
    processControl(run, decodeControl(record.text), { ref: record.ref, consumed, counts })
    run.tx.count.position++
    return
  }
  try {
    count(counts, applyEvent(run, decode(run, record), { ref: record.ref, consumed }))
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error
    quarantine(run, record, error)
    counts.quarantined++
  }
  run.tx.count.position++
}

function decode({ engine, tx }: Run, record: SourceRecord): ShopEvent {
  if (record.envelope !== undefined)
    return engine.values.decode(record.bytes(), record.envelope, (key) => tx.schema(key))
  if (!record.wellFormed) throw new InvalidRecordError('not valid UTF-8')
  return decodeEvent(record.text, record.format)
}

function quarantine({ engine, tx }: Run, record: SourceRecord, error: InvalidRecordError): void {
  if (tx.count.quarantined >= engine.policy.quarantineMax)
    throw new FatalError(
      `quarantine holds its ${engine.policy.quarantineMax} records: look at \`kindred quarantine list\`, mend the source, or raise KINDRED_QUARANTINE_MAX`,
    )
  const cause = messageOf(error)
  const quarantineId = tx.addQuarantined({
    ...record.ref,
    format: JSON.stringify(record.format),
    cause,
    bytes: record.bytes(),
    envelope: record.envelope && encodeEnvelope(record.envelope),
  })
  const { quarantined } = engine.tally
  if (quarantined.length < quarantinedToldMax) quarantined.push({ quarantineId, ...record.ref, cause })
}

function processControl(
  run: Run,
  control: ControlRecord,
  { ref, consumed, counts }: { ref: RecordRef; consumed: RecordRef; counts: BatchCounts },
): void {
  const { position, streamTs } = run.tx.count
  const cause = { eventId: '', ref, ts: Math.max(0, streamTs), position }
  switch (control.kind) {
    case 'import':
      return beginImport(run, { set: control.set, at: control.at })
    case 'switch':
      return switchVersion(run, control.version, { ...cause, eventId: switchCause(control.version) })
    case 'erase':
      eraseUser(run, control.userId, {
        cause: { ...cause, eventId: `erase:${position}` },
        logOffset: consumed.offset,
      })
      return
    case 'requeue':
      for (const [key, schema] of Object.entries(control.schemas ?? {})) run.tx.putSchema(key, schema)
      return requeue(run, control.quarantineIds, { consumed, counts })
    case 'calibrate':
      writeDirty(run, false) // users first seen in this batch have no row yet
      return recalibrate(run, { ...cause, eventId: `calibrate:${position}` })
    case 'drop_sink':
      return run.tx.dropSinkCursor(control.name)
    default:
      return unreachable(control)
  }
}

/** Quarantined records are tried again, each at a position of its own; what fails again stays, with its new cause. */
function requeue(
  run: Run,
  ids: readonly number[],
  { consumed, counts }: { consumed: RecordRef; counts: BatchCounts },
): void {
  const { tx } = run
  for (const id of ids) {
    const record = tx.quarantinedRecord(id)
    if (record === undefined) continue
    tx.count.position++
    try {
      const ref = { source: record.source, offset: record.offset }
      count(counts, applyEvent(run, decodeQuarantined(run, record), { ref, consumed }))
      tx.removeQuarantined(id)
    } catch (error) {
      if (!(error instanceof InvalidRecordError)) throw error
      tx.updateQuarantined({ ...record, cause: messageOf(error) })
    }
  }
}

function decodeQuarantined({ engine, tx }: Run, { bytes, format, envelope }: QuarantinedRecord): ShopEvent {
  if (envelope !== undefined)
    return engine.values.decode(bytes, decodeEnvelope(envelope), (key) => tx.schema(key))
  if (!isUtf8(bytes)) throw new InvalidRecordError('not valid UTF-8')
  return decodeEvent(Buffer.from(bytes).toString('utf8'), JSON.parse(format) as RecordFormat)
}

function count(counts: BatchCounts, outcome: Outcome): void {
  switch (outcome) {
    case 'applied':
      counts.applied++
      return
    case 'duplicate':
      counts.duplicates++
      return
    case 'blocked':
      counts.blocked++
      return
    default:
      unreachable(outcome)
  }
}
