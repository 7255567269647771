// Consuming: source → process-batch, and what runs between batches: building a version, relaying, retention, scrubbing.

import { setImmediate } from 'node:timers/promises'
import { mentionsUser } from '../codec/mentions-user.ts'
import type { Sink } from '../sink/port.ts'
import type { RecordBatch, Source, SourceRecord } from '../source/port.ts'
import type { Store } from '../store/port.ts'
import type { Engine } from './engine.ts'
import { type BatchCounts, processBatch } from './process-batch.ts'
import { relay } from './relay.ts'
import { writeDirty } from './run.ts'
import { shadowOf } from './version.ts'

/** Prototype edges read between two batches while a version is built. */
const buildEdgesMax = 50_000
/** Batches between two rounds of retention. */
const retentionBatches = 32

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
  readonly sinks: readonly Sink[]
  readonly batchSize: number
  readonly logRetention: number
  readonly changesRetention: number
  readonly onBatch?: (counts: BatchCounts) => void
}

export class Consumer {
  readonly #options: ConsumeOptions
  #switchRequested = 0
  #batches = 0
  /** The latest commit on its way to disk, and the number of change events as of it. */
  #flush: { readonly done: Promise<void>; readonly changes: number }

  constructor(options: ConsumeOptions) {
    this.#options = options
    options.engine.shadow = shadowOf(options.store)
    this.#flush = { done: Promise.resolve(), changes: options.store.counters().changes }
  }

  /** Offset of the next record to consume. */
  get watermark(): number {
    return this.#options.store.watermark(this.#options.log.name)
  }

  /** Does what is due; false when there is nothing to do now. */
  async step(): Promise<boolean> {
    const { log, batchSize } = this.#options
    const batch = log.read(this.watermark, batchSize)
    if (batch !== undefined) await this.#consume(batch)
    const built = await this.#build()
    const scrubbed = await this.#scrub()
    if (batch === undefined) await this.#settled()
    if (batch === undefined && !built && !scrubbed) return false
    if (++this.#batches % retentionBatches === 0) await this.#retain()
    return true
  }

  /** Consumes until nothing is left (and every pending version is switched to). */
  async drain(signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true && (await this.step()));
  }

  /** Consumes until `signal`; a batch under way is finished. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) if (!(await this.step())) await this.#options.log.wait(this.watermark, signal)
  }

  /** Writes what only memory knows exactly, keeps the sinks' cursors, and waits for the disk. */
  async checkpoint(): Promise<void> {
    const { store, engine, sinks } = this.#options
    await this.#settled()
    store.transact((tx) => {
      writeDirty({ engine, tx }, true)
      for (const { name, next } of sinks) tx.setSinkCursor(name, { next })
    })
    await this.#retain()
    await store.flushed()
  }

  /** One commit may be on its way to disk while the next batch is applied; sinks get what is on disk. */
  async #consume(batch: RecordBatch): Promise<void> {
    const { store, engine, sinks, onBatch } = this.#options
    const counts = processBatch({ store, engine }, batch)
    const before = this.#flush
    const done = store.flushed()
    done.catch(() => undefined) // whoever awaits it next is told
    this.#flush = { done, changes: store.counters().changes }
    onBatch?.(counts)
    await setImmediate() // messages and signals are heard between two batches
    await before.done
    await relay(store, sinks, before.changes)
  }

  /** Everything so far is on disk, and with the sinks. */
  async #settled(): Promise<void> {
    const { store, sinks } = this.#options
    await store.flushed()
    await relay(store, sinks, store.counters().changes)
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
    for (const { scrub } of due) log.scrub(scrub.before + 1, (record) => mentionsUser(record, scrub.userId))
    await log.flushed()
    store.transact((tx) => {
      for (const { id } of due) tx.removeScrub(id)
    })
    return true
  }

  /** Drops consumed records and delivered changes past their retention; what a sink has not taken stays, open or not. */
  async #retain(): Promise<void> {
    const { store, log, sinks, logRetention, changesRetention } = this.#options
    await store.flushed() // what is not on disk is not consumed yet
    log.trim(this.watermark - logRetention)
    const { changes } = store.counters()
    const oldest = store.changes(0, 1)[0]
    if (oldest === undefined || oldest.number >= changes - changesRetention) return
    store.transact((tx) => {
      for (const { name, next } of sinks) tx.setSinkCursor(name, { next })
      tx.trimChanges(Math.min(changes - changesRetention, ...tx.sinkCursors().map(({ next }) => next)))
    })
  }
}
