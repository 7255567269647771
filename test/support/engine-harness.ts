// The real pipeline in this process, over either store, driven by records instead of a log.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, configFrom } from '../../src/config.ts'
import { createEngine, type Engine, type EnginePolicy } from '../../src/pipeline/engine.ts'
import { type BatchCounts, processBatch } from '../../src/pipeline/process-batch.ts'
import { writeDirty } from '../../src/pipeline/run.ts'
import { enginePolicyOf } from '../../src/profiler.ts'
import type { RecordBatch, SourceRecord } from '../../src/source/port.ts'
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { Store } from '../../src/store/port.ts'
import type { OracleConfig, OracleRecord } from '../oracle/model.ts'
import { batchOf, encodeRecords } from './engine-records.ts'
import { type EngineView, viewOf } from './engine-view.ts'

export type RigOptions = {
  readonly store: 'memory' | 'lmdb'
  /** Sampled walks are off unless `walksMax` is given. */
  readonly config?: Partial<Config>
  /** What no configuration may say, such as hot memory for nobody. */
  readonly policy?: Partial<EnginePolicy>
  /** Stands between the engine and the store. */
  readonly wrap?: (store: Store) => Store
}

/** One engine on one store; `restart` leaves of it what is in the store. */
export type Rig = {
  readonly policy: EnginePolicy
  readonly store: Store
  readonly engine: Engine
  /** Applies the batch whole, or throws and applies nothing. */
  process(batch: RecordBatch): BatchCounts
  /** A new engine; a store on disk is closed and opened again. */
  restart(): Promise<void>
  /** What stopping does: rows that only memory knows exactly are written. */
  checkpoint(): void
}

/** The smallest hot memory there is: its slots are full all the time in a shop of hundreds of users. */
export const hardlyAnyMemory: Partial<EnginePolicy> = { hotBytesMax: 1 }

export async function withRig<T>(options: RigOptions, body: (rig: Rig) => T | Promise<T>): Promise<T> {
  const config = configFrom({}, { walksMax: 0, ...options.config })
  const policy = { ...enginePolicyOf(config), ...options.policy }
  const wrap = options.wrap ?? ((store: Store) => store)
  const directory = options.store === 'lmdb' ? await mkdtemp(join(tmpdir(), 'kindred-property-')) : undefined
  const open = () => (directory === undefined ? openMemoryStore(config) : openIn(directory, config))
  let opened = open()
  let store = wrap(opened)
  let engine = createEngine(policy, store)
  try {
    return await body({
      policy,
      get store() {
        return store
      },
      get engine() {
        return engine
      },
      process: (batch) => processBatch({ store, engine }, batch),
      async restart() {
        if (directory !== undefined) {
          await opened.close()
          opened = open()
          store = wrap(opened)
        }
        engine = createEngine(policy, store)
      },
      checkpoint: () => opened.transact((tx) => writeDirty({ engine, tx }, true)),
    })
  } finally {
    await opened.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  }
}

function openIn(directory: string, { dedupeHorizon, delta, kappa }: Config): Store {
  return openLmdbStore({
    path: join(directory, 'state'),
    settings: { delta, kappa },
    mapSizeBytes: 2 ** 31,
    dedupeHorizon,
  })
}

/** The oracle's configuration of the same settings. */
export function oracleConfigOf({ kappa, delta, repeat, decision }: EnginePolicy): OracleConfig {
  return { kappa, delta, repeat, ...decision }
}

/** What an undisturbed or a disturbed run leaves: to be the same, whatever the run. */
export type Driven = {
  readonly counts: BatchCounts
  /** The change events that are left, as they are delivered, sorted. */
  readonly changes: readonly string[]
  readonly view: EngineView
  /** Quarantined records: id, offset, cause and bytes. */
  readonly quarantine: readonly string[]
}

/** All records in batches of `batchSize`, then a checkpoint. */
export async function drive(
  records: readonly OracleRecord[],
  options: RigOptions & { readonly batchSize: number },
): Promise<Driven> {
  return driveEncoded(encodeRecords(records).records, options)
}

export async function driveEncoded(
  records: readonly SourceRecord[],
  { batchSize, ...options }: RigOptions & { readonly batchSize: number },
): Promise<Driven> {
  return withRig(options, (rig) => driveRig(rig, records, batchSize))
}

export function driveRig(rig: Rig, records: readonly SourceRecord[], batchSize: number): Driven {
  return { counts: applyAll(rig, records, batchSize), ...outcomeOf(rig) }
}

/** Every record in batches; those that are applied already change nothing. */
export function applyAll(rig: Rig, records: readonly SourceRecord[], batchSize: number): BatchCounts {
  const sum = { records: 0, applied: 0, duplicates: 0, blocked: 0, quarantined: 0, controls: 0 }
  for (let from = 0; from < records.length; from += batchSize) {
    const counts = rig.process(batchOf(records, from, from + batchSize))
    for (const name of Object.keys(sum) as (keyof BatchCounts)[]) sum[name] += counts[name]
  }
  return sum
}

/** What is left in the store after a checkpoint. */
export function outcomeOf(rig: Rig): Omit<Driven, 'counts'> {
  rig.checkpoint()
  const quarantine = rig.store
    .quarantinedRecords(0, Number.MAX_SAFE_INTEGER)
    .map(({ id, offset, cause, bytes }) => `${id} ${offset} ${cause} ${Buffer.from(bytes)}`)
  return { changes: changesOf(rig.store).sort(), view: viewOf(rig.store), quarantine }
}

export function changesOf(store: Store, from = 0): string[] {
  return store.changes(from, Number.MAX_SAFE_INTEGER).map(({ json }) => json)
}
