// Composition root: the one place where adapters meet. A data directory holds the state, the log and the writer's lock.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ValueCodec } from './codec/kafka-value.ts'
import { type Config, semanticSettings } from './config.ts'
import { decisionPolicyOf } from './core/persona.ts'
import { NoDataError } from './errors.ts'
import { openLmdb, openNamed, openNumbered } from './lmdb/open.ts'
import { type ConsumeOptions, Consumer } from './pipeline/consume.ts'
import { createEngine, type Engine, type EnginePolicy } from './pipeline/engine.ts'
import type { BatchCounts } from './pipeline/process-batch.ts'
import type { KafkaParts } from './profiler-kafka.ts'
import type { Sink } from './sink/port.ts'
import { EmbeddedLog } from './source/embedded-log.ts'
import type { Settings } from './store/lmdb/environment.ts'
import { type LmdbStore, openLmdbStore } from './store/lmdb/lmdb-store.ts'
import { takeWriterLock, tryWriterLock, type WriterLock } from './store/lock.ts'
import { valueCodecOf } from './value-codec.ts'

/** What ingests for long commits in a thread from this commit on. */
const commitsBeforeThread = 8

export type Place = { readonly dir: string; readonly config: Config }

/** The state as a reader sees it; nothing is written through it. */
export function openReader({ dir, config }: Place): LmdbStore {
  return openLmdbStore({ ...storeOptions({ dir, config }), readOnly: true })
}

/** The same, for a process whose ingest thread writes the state, now or later. Throws FatalError while there is none. */
export function openReaderBesideWriter({ dir, config }: Place): LmdbStore {
  requireData(dir)
  return openLmdbStore({ ...storeOptions({ dir, config }), readOnly: true, besideWriter: true })
}

/** The log, for appending (any process may) or consuming (the writer alone). */
export function openLog({ dir, config }: Place, pollMs?: number): EmbeddedLog {
  const path = join(dir, 'log')
  const env = openLmdb({ path, mapSizeBytes: mapSizeOf(config) })
  const tables = { path, env, blocks: openNumbered(env, 'blocks'), names: openNamed(env, 'names') }
  return new EmbeddedLog(tables, pollMs)
}

/** The one writer of a directory: state, log, engine and consumer. */
export type Profiler = AsyncDisposable & {
  readonly store: LmdbStore
  readonly log: EmbeddedLog
  readonly engine: Engine
  readonly consumer: Consumer
  /** Kafka's parts; undefined where it is not asked for. */
  readonly kafka: KafkaParts | undefined
  readonly sinks: readonly Sink[]
}

export type ProfilerOptions = Place & {
  readonly role: string
  /** Commits in a thread of its own: for what ingests for long. */
  readonly commitInThread?: boolean
  /** Sinks for change events, made once the store is open. */
  readonly sinks?: (store: LmdbStore) => readonly Sink[]
  /** Kafka's parts, made once the store is open: for what consumes topics. */
  readonly kafka?: (opened: { store: LmdbStore; values: ValueCodec }) => KafkaParts | undefined
  readonly onBatch?: (counts: BatchCounts) => void
  /** Told of what whoever looks after the service should know. */
  readonly tell?: ConsumeOptions['tell']
}

/** Opens the directory as its writer, or throws LockedError when it has one. */
export function openProfiler(options: ProfilerOptions): Profiler {
  return openLocked(options, takeWriterLock(options.dir, options.role))
}

/** Opens the directory as its writer; undefined when it has one. */
export function tryOpenProfiler(options: ProfilerOptions): Profiler | undefined {
  const lock = tryWriterLock(options.dir, options.role)
  return lock && openLocked(options, lock)
}

function openLocked(
  { dir, config, commitInThread = false, sinks: openSinks, kafka: openKafka, onBatch, tell }: ProfilerOptions,
  lock: WriterLock,
): Profiler {
  const opened: { close(): Promise<unknown> }[] = []
  try {
    const store = openLmdbStore({
      ...storeOptions({ dir, config }),
      commitThreadAfter: commitInThread ? commitsBeforeThread : undefined,
    })
    opened.push(store)
    const log = openLog({ dir, config })
    opened.push(log)
    log.ensureEnd(store.watermark(log.name))
    const values = valueCodecOf(config)
    const kafka = openKafka?.({ store, values })
    const sinks = [...(openSinks?.(store) ?? []), ...(kafka?.sinks ?? [])]
    const engine = createEngine(enginePolicyOf(config), store, values)
    const { batchSize, logRetention, changesRetention, journalRetention, relayBacklogMax } = config
    const consumer = new Consumer({
      store,
      engine,
      log,
      ...(kafka?.source === undefined ? {} : { stream: kafka.source }),
      sinks,
      ...(kafka?.deadLetters === undefined ? {} : { deadLetters: kafka.deadLetters }),
      batchSize,
      logRetention,
      changesRetention,
      journalRetention,
      relayBacklogMax,
      ...(onBatch ? { onBatch } : {}),
      ...(tell ? { tell } : {}),
    })
    return {
      store,
      log,
      engine,
      consumer,
      kafka,
      sinks,
      async [Symbol.asyncDispose]() {
        consumer.close()
        await kafka?.source?.close()
        await kafka?.deadLetters?.close()
        for (const sink of sinks) await sink.close()
        await log.close()
        await store.close()
        lock.release()
      },
    }
  } catch (error) {
    for (const each of opened) void each.close()
    lock.release()
    throw error
  }
}

/** Throws FatalError when `dir` holds no data. */
export function requireData(dir: string): void {
  if (!existsSync(join(dir, 'state', 'data.mdb')))
    throw new NoDataError(
      `${dir} holds no data of Kindred: fill it with \`kindred replay FILE --data ${dir}\`, or name another with --data`,
    )
}

/** What the engine needs of the configuration. */
export function enginePolicyOf(config: Config): EnginePolicy {
  return {
    kappa: config.kappa,
    delta: config.delta,
    repeat: config.weightsRepeat,
    decision: decisionPolicyOf(config),
    sampling: {
      walksMax: config.walksMax,
      walksPerLook: 32,
      halfWidthMin: 0.05,
      landingMassMin: config.landingMassMin,
    },
    seed: config.seed,
    calibration: {
      prototypesMin: config.calibrationMin,
      enter: config.enterProbability,
      exitRatio: config.exitRatio,
      sweepUsers: config.sweepUsers,
      words: config.contentHead === 'auto',
    },
    hotBytesMax: config.hotMemoryMb * 1024 * 1024,
    quarantineMax: config.quarantineMax,
  }
}

function storeOptions({ dir, config }: Place) {
  const settings: Settings = Object.fromEntries(semanticSettings.map((name) => [name, config[name]]))
  return {
    path: join(dir, 'state'),
    settings,
    mapSizeBytes: mapSizeOf(config),
    dedupeHorizon: config.dedupeHorizon,
  }
}

function mapSizeOf({ mapSizeGb }: Config): number {
  return Math.floor((mapSizeGb * 2 ** 30) / 2 ** 20) * 2 ** 20
}
