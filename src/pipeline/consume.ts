// Consuming: source → process-batch, and what runs between batches: building a version, retention, scrubbing. Change events
// go out beside it (relay).

import { setImmediate } from 'node:timers/promises'
import { mentionsUser } from '../codec/mentions-user.ts'
import type { IngestMetrics } from '../metrics/ingest-metrics.ts'
import { LineLimit } from '../metrics/line-limit.ts'
import type { DeadLetterSink, Sink } from '../sink/port.ts'
import type { RecordBatch, Source, SourceRecord, Stream } from '../source/port.ts'
import type { NamedSinkCursor, Store, StoreWriter } from '../store/port.ts'
import { begin, end, type Spanned } from '../tracing/tracing.ts'
import type { Engine } from './engine.ts'
import { IngestMeter } from './ingest-meter.ts'
import { type BatchCounts, processBatch } from './process-batch.ts'
import { Relay } from './relay.ts'
import { writeDirty } from './run.ts'
import { newTally, type Quarantined } from './tally.ts'
import { shadowOf } from './version.ts'

/** Prototype edges read between two batches while a version is built. */
const buildEdgesMax = 50_000
/** Batches between two rounds of retention. */
const retentionBatches = 32
/** How long a sink that is far behind is waited for before signals and failures are looked at again. */
const sinkWaitMs = 200
/** How often the sinks' cursors are kept while changes go out. */
const cursorMs = 5_000
/** Lines of the log about quarantined records, a minute. */
const quarantineLinesPerMinute = 6

/** What the consumer needs of the log beside its records. */
export type ConsumedLog = Source & {
  appendSwitch(version: number): void
  trim(before: number): void
  scrub(before: number, erase: (record: SourceRecord) => boolean): number
  flushed(): Promise<void>
}

export type ConsumeOptions = {
  readonly store: Store
  readonly engine: Engine
  readonly log: ConsumedLog
  /** What is consumed beside the log. */
  readonly stream?: Stream
  readonly sinks: readonly Sink[]
  readonly deadLetters?: DeadLetterSink
  readonly batchSize: number
  readonly logRetention: number
  readonly changesRetention: number
  /** Entries of the commit journal that are kept. */
  readonly journalRetention: number
  /** Change events on disk that a sink has not taken, past which consuming waits for it. */
  readonly relayBacklogMax: number
  readonly onBatch?: (counts: BatchCounts) => void
  readonly tell?: (
    level: 'warn' | 'debug',
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void
}

export class Consumer {
  readonly #options: ConsumeOptions
  readonly #relay: Relay
  readonly #meter = new IngestMeter()
  readonly #quarantineLines = new LineLimit(quarantineLinesPerMinute)
  #switchRequested = 0
  #batches = 0
  /** Whose turn it is to be asked first: neither the log nor the stream waits for long where both have much. */
  #streamFirst = false
  /** The latest commit on its way to disk. */
  #flush: Promise<void> = Promise.resolve()
  #cursorsSaved = performance.now()

  constructor(options: ConsumeOptions) {
    this.#options = options
    const { store, engine, sinks, deadLetters } = options
    this.#relay = new Relay(store, { sinks, deadLetters })
    engine.shadow = shadowOf(store)
    this.#tellErasures()
  }

  /** Offset of the next record of the log to consume. */
  get watermark(): number {
    return this.#options.store.watermark(this.#options.log.name)
  }

  /** What was consumed so far, and what is still to be done. */
  metrics(): Omit<IngestMetrics, 'partitions' | 'thread' | 'webhooks' | 'truth'> {
    const { store, engine } = this.#options
    const { driftGreatest, ...sums } = this.#meter.read(performance.now())
    const { quarantined, sweepNext, sweepEnd } = store.counters()
    return {
      ...sums,
      drift: { greatest: driftGreatest, limit: engine.policy.delta },
      queue: {
        sweepUsers: Math.max(0, sweepEnd - sweepNext),
        shadowPrototypes: engine.shadow?.waiting ?? 0,
        scrubs: store.scrubs().length,
      },
      quarantined,
      sinks: this.#relay.backlogs,
      hot: { users: engine.users.use, products: engine.products.use },
    }
  }

  /** Does what is due; false when there is nothing to do now. */
  async step(): Promise<boolean> {
    if (this.#relay.behind >= this.#options.relayBacklogMax) {
      this.#relay.check()
      await this.#relay.progress(sinkWaitMs)
      return true
    }
    const batch = this.#next()
    if (batch !== undefined) await this.#consume(batch)
    const built = await this.#build()
    const scrubbed = await this.#scrub()
    if (batch === undefined) await this.#flushed()
    if (batch === undefined && !built && !scrubbed) return false
    if (++this.#batches % retentionBatches === 0) await this.#retain()
    return true
  }

  /** Consumes until nothing is left (and every pending version is switched to), and the sinks have it all. */
  async drain(signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true && (await this.step()));
    await this.#settled(signal)
  }

  /** Applies what the log holds, and nothing of the stream. */
  async drainLog(signal: AbortSignal): Promise<void> {
    const { log, batchSize } = this.#options
    for (;;) {
      const batch = signal.aborted ? undefined : log.read(this.watermark, batchSize)
      if (batch === undefined) return
      await this.#consume(batch)
    }
  }

  /** Consumes until `signal`; a batch under way is finished. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) if (!(await this.step())) await this.#wait(signal)
  }

  /** Writes what only memory knows exactly, keeps the sinks' cursors, and waits for the disk; for sinks until `signal`. */
  async checkpoint(signal?: AbortSignal): Promise<void> {
    const { store, engine } = this.#options
    await this.#settled(signal)
    store.transact((tx) => {
      writeDirty({ engine, tx }, true)
      this.#saveCursors(tx)
    })
    await this.#retain()
    await store.flushed()
  }

  /** Sinks are given nothing more. */
  close(): void {
    this.#relay.close()
  }

  #next(): RecordBatch | undefined {
    const { log, stream, batchSize } = this.#options
    this.#streamFirst = !this.#streamFirst
    const first = this.#streamFirst ? stream?.take(batchSize) : undefined
    return first ?? log.read(this.watermark, batchSize) ?? stream?.take(batchSize)
  }

  /** Waits for records; a sink that fails is heard of at once. */
  async #wait(signal: AbortSignal): Promise<void> {
    const { log, stream } = this.#options
    const over = new AbortController()
    const end = () => over.abort()
    const ends = [signal, this.#relay.failed]
    if (ends.some(({ aborted }) => aborted)) end()
    for (const each of ends) each.addEventListener('abort', end)
    try {
      const waits = [log.wait(this.watermark, over.signal)]
      if (stream !== undefined) waits.push(stream.wait(over.signal))
      await Promise.race(waits)
    } finally {
      for (const each of ends) each.removeEventListener('abort', end) // they live on, and there are many waits
      end()
    }
    this.#relay.check()
  }

  /** One commit may be on its way to disk while the next batch is applied; sinks get what is on disk. */
  async #consume(batch: RecordBatch): Promise<void> {
    const { onBatch } = this.#options
    this.#tellErasures()
    const spanned = begin('kindred.batch', {
      attributes: { 'kindred.source': batch.source, 'kindred.records': batch.records.length },
    })
    const counts = this.#apply(batch, spanned)
    const before = this.#flush
    this.#flush = this.#onDisk(batch, spanned)
    this.#flush.catch(() => undefined) // whoever awaits it next is told
    onBatch?.(counts)
    await setImmediate() // messages and signals are heard between two batches
    await before
  }

  #apply(batch: RecordBatch, spanned: Spanned | undefined): BatchCounts {
    const { store, engine } = this.#options
    const applying = begin('kindred.batch.apply', { parent: spanned?.within })
    const { rewalks, changes } = store.counters()
    const began = performance.now()
    const counts = processBatch({ store, engine }, batch)
    const now = performance.now()
    end(applying)
    const after = store.counters()
    this.#meter.applied({
      counts,
      tally: engine.tally,
      rewalks: after.rewalks - rewalks,
      changes: after.changes - changes,
      applyMs: now - began,
      now,
    })
    this.#tellQuarantined(counts.quarantined, engine.tally.quarantined)
    engine.tally = newTally()
    return counts
  }

  /** A cause may quote the record, and so its user: it is for debugging. */
  #tellQuarantined(count: number, first: readonly Quarantined[]): void {
    const { tell } = this.#options
    if (count === 0 || tell === undefined) return
    const keptBack = this.#quarantineLines.pass(performance.now())
    if (keptBack !== undefined) {
      const { quarantineId: quarantine_id, source, offset } = first[0]!
      const fields = { quarantine_id, source, offset, in_batch: count, batches_untold: keptBack }
      tell('warn', 'records were quarantined: `kindred quarantine list` says why', fields)
    }
    for (const { quarantineId: quarantine_id, ...fields } of first)
      tell('debug', 'quarantined', { quarantine_id, ...fields })
  }

  /** Once the batch's commit is on disk its change events go out, and its source may be told. */
  async #onDisk({ source, next, records }: RecordBatch, spanned: Spanned | undefined): Promise<void> {
    const { store, log, stream, batchSize } = this.#options
    const ends = { ...store.counters() }
    const applied = performance.now()
    const committing = begin('kindred.batch.commit', { parent: spanned?.within })
    await store.flushed()
    end(committing)
    end(spanned)
    this.#meter.committed(performance.now() - applied)
    this.#relay.advance(ends, { busy: records.length >= batchSize }) // a full batch: there is a backlog
    if (source !== log.name) stream?.consumed(source, next)
  }

  /** Everything so far is on disk, and on its way to the sinks. */
  async #flushed(): Promise<void> {
    const { store } = this.#options
    const ends = { ...store.counters() }
    await this.#flush
    await store.flushed()
    this.#relay.advance(ends)
  }

  /** Everything so far is on disk and with the sinks, as far as they take it before `signal`. */
  async #settled(signal?: AbortSignal): Promise<void> {
    await this.#flushed()
    if (signal === undefined) return this.#relay.settled()
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.#relay.settled(), aborted])
  }

  /** An erasure must know who is to be told: a sink that takes any from now on has its cursor before the next record. */
  #tellErasures(): void {
    const { store, sinks } = this.#options
    const idle = sinks.filter((sink) => sink.idle)
    if (
      this.#cursors().some(({ name }) => store.sinkCursor(name) === undefined) ||
      idle.some(({ name }) => store.sinkCursor(name) !== undefined)
    )
      store.transact((tx) => this.#saveCursors(tx))
  }

  #cursors(): NamedSinkCursor[] {
    const { sinks, deadLetters } = this.#options
    const cursors: NamedSinkCursor[] = sinks
      .filter(({ takesErasures, idle }) => takesErasures && !idle)
      .map(({ name, next }) => ({ name, next, erasures: true }))
    if (deadLetters !== undefined)
      cursors.push({ name: deadLetters.name, next: deadLetters.next, feed: 'quarantine' })
    return cursors
  }

  #saveCursors(tx: StoreWriter): void {
    for (const { name, next, idle } of this.#options.sinks)
      if (idle) tx.dropSinkCursor(name)
      else tx.setSinkCursor(name, { next })
    for (const { name, ...cursor } of this.#cursors()) tx.setSinkCursor(name, cursor)
    this.#cursorsSaved = performance.now()
  }

  /** A slice of the pending version; once it is whole, the record that switches to it goes into the log. */
  async #build(): Promise<boolean> {
    const { engine, store, log } = this.#options
    if (engine.shadow === undefined && store.pendingImport() !== undefined) engine.shadow = shadowOf(store)
    const { shadow } = engine
    if (shadow === undefined || this.#switchRequested === shadow.version) return false
    shadow.build(store, buildEdgesMax)
    if (shadow.complete) {
      await store.flushed() // the log never speaks of a version that a crash could take back
      log.appendSwitch(shadow.version)
      this.#switchRequested = shadow.version
    }
    return true
  }

  /** Removes the bytes of erased users from the log. */
  async #scrub(): Promise<boolean> {
    const { store, log } = this.#options
    const due = store.scrubs()
    if (due.length === 0) return false
    await store.flushed() // until then the records are still to be consumed
    for (const { scrub } of due)
      log.scrub(scrub.before + 1, ({ text, format }) => mentionsUser({ text, format }, scrub.userId))
    await log.flushed()
    store.transact((tx) => {
      for (const { id } of due) tx.removeScrub(id)
    })
    return true
  }

  /** Drops consumed records and delivered changes past their retention; what a sink has not taken stays, open or not. */
  async #retain(): Promise<void> {
    const { store, log, logRetention, changesRetention, journalRetention } = this.#options
    await store.flushed() // what is not on disk is not consumed yet
    log.trim(this.watermark - logRetention)
    const { changes } = store.counters()
    const oldest = store.changes(0, 1)[0]
    const trims = oldest !== undefined && oldest.number < changes - changesRetention
    if (!trims && performance.now() - this.#cursorsSaved < cursorMs) return
    store.transact((tx) => {
      this.#saveCursors(tx)
      tx.trimJournal(journalRetention)
      const cursors = tx.sinkCursors().filter(({ feed }) => feed !== 'quarantine')
      // one that is idle has no cursor, and may be about to begin: what it was not handed yet stays as well
      const handed = this.#options.sinks.filter(({ idle }) => idle).map(({ next }) => next)
      const taken = Math.min(changes, ...cursors.map(({ next }) => next), ...handed)
      if (trims) tx.trimChanges(Math.min(changes - changesRetention, taken))
      tx.trimErasures(
        Math.min(changes, ...cursors.filter(({ erasures }) => erasures).map(({ next }) => next)),
      )
    })
  }
}
