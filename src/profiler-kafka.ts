// Composition root for Kafka: by the configuration, the source in this thread, and the sinks in one of their own.
import type { Kafka } from 'kafkajs'
import type { ValueCodec } from './codec/kafka-value.ts'
import type { Config } from './config.ts'
import { createKafka, isOn } from './kafka/client.ts'
import { parseTopics } from './kafka/names.ts'
import type { Report } from './kafka/report.ts'
import { SharedState } from './kafka/shared-state.ts'
import { SinkThread } from './kafka-sink-client.ts'
import { hasDeadLetters } from './kafka-sinks.ts'
import { deadLetterSinkName } from './sink/kafka-dead-letters.ts'
import { kafkaSinkName } from './sink/kafka-sink.ts'
import type { DeadLetterSink, Sink } from './sink/port.ts'
import { SchemaLookup } from './source/kafka-schemas.ts'
import { KafkaSource } from './source/kafka-source.ts'
import type { LmdbStore } from './store/lmdb/lmdb-store.ts'
import { registryOf } from './value-codec.ts'

export type KafkaParts = {
  readonly source: KafkaSource | undefined
  readonly sinks: readonly Sink[]
  readonly deadLetters: DeadLetterSink | undefined
  /** Begins to consume, and shuts out whoever sent before; rejects when that cannot be. */
  start(): Promise<void>
}

/** Is Kafka part of this configuration? */
export function usesKafka({ kafkaBrokers }: Config): boolean {
  return kafkaBrokers !== ''
}

type PartsOptions = {
  readonly dir: string
  readonly config: Config
  readonly store: LmdbStore
  readonly values: ValueCodec
  readonly report: Report
}

/** Everything of Kafka that `serve` runs; nothing of it connects before `start`. Throws UsageError. */
export function openKafkaParts(options: PartsOptions): KafkaParts {
  const { dir, config, store, report } = options
  const kafka = createKafka(config, (message, fields) => report.debug(message, fields))
  const state = new SharedState()
  const source = sourceFor(options, { kafka, state })
  if (source === undefined) state.emitUntil(Number.POSITIVE_INFINITY)
  const name = kafkaSinkName(config.kafkaChangesTopic)
  const sends = config.kafkaChangesTopic !== ''
  const thread =
    (sends || hasDeadLetters(config)) &&
    new SinkThread({
      dir,
      config,
      state,
      report,
      ends: () => store.counters(),
      start: {
        store: store.id,
        changes: store.sinkCursor(name)?.next ?? 0,
        deadLetters: store.sinkCursor(deadLetterSinkName)?.next ?? 0,
      },
    })
  return {
    source,
    sinks: thread && sends ? [thread.changes(name)] : [],
    deadLetters: thread && hasDeadLetters(config) ? thread.deadLetters(deadLetterSinkName) : undefined,
    async start() {
      source?.start()
      if (thread) await thread.start()
    },
  }
}

function sourceFor(
  { dir, config, store, values, report }: PartsOptions,
  { kafka, state }: { readonly kafka: Kafka; readonly state: SharedState },
): KafkaSource | undefined {
  const topics = parseTopics(config.kafkaTopics)
  if (topics === undefined) return undefined
  return new KafkaSource({
    kafka,
    topics,
    group: config.kafkaGroup,
    from: config.kafkaFrom,
    reset: config.kafkaOffsetReset,
    sessionMs: config.kafkaSessionMs,
    refreshMs: config.kafkaRefreshMs,
    queueBytesMax: config.kafkaQueueMb * 1_000_000,
    outputs: [config.kafkaChangesTopic, config.kafkaPersonasTopic],
    deadLetterSuffix: config.kafkaDeadLetterSuffix,
    mark: { store: store.id, dir },
    claim: isOn(config.kafkaClaim),
    watermarks: () => store.watermarks(),
    onLease: (untilMs) => state.emitUntil(untilMs),
    schemas: new SchemaLookup({
      values,
      registry: registryOf(config),
      stored: (key) => store.schema(key),
      report,
    }),
    report,
  })
}
