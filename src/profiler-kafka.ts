// Composition root for Kafka: by the configuration, the source, the sinks, and how values are read.
import type { Kafka } from 'kafkajs'
import { answerSchema, changeSchema } from './codec/change-avro.ts'
import type { ValueCodec } from './codec/kafka-value.ts'
import type { Config } from './config.ts'
import { messageOf } from './errors.ts'
import { createKafka, isOn } from './kafka/client.ts'
import { compressionOf } from './kafka/compression.ts'
import { type Partition, parseTopics, selectTopics } from './kafka/names.ts'
import type { SchemaRegistry } from './kafka/registry.ts'
import type { Report } from './kafka/report.ts'
import { deadLetterSinkName, KafkaDeadLetters } from './sink/kafka-dead-letters.ts'
import { type Delivery, PlainDelivery, TransactionalDelivery } from './sink/kafka-delivery.ts'
import type { MessageOptions } from './sink/kafka-messages.ts'
import { Outlet } from './sink/kafka-outlet.ts'
import { KafkaSink, kafkaSinkName, type PartitionDirectory } from './sink/kafka-sink.ts'
import type { DeadLetterSink, Sink } from './sink/port.ts'
import { SchemaLookup } from './source/kafka-schemas.ts'
import { KafkaSource } from './source/kafka-source.ts'
import type { LmdbStore } from './store/lmdb/lmdb-store.ts'
import { registryOf } from './value-codec.ts'

/** How long a list of partitions is taken for what exists. */
const directoryMs = 30_000

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
  const { config, report } = options
  const kafka = createKafka(config, (message, fields) => report.debug(message, fields))
  const registry = registryOf(config)
  const source = sourceFor(options, kafka, registry)
  const mayEmit = () => source === undefined || source.owned
  const sink = sinkFor(options, { kafka, registry, mayEmit })
  const deadLetters = source && deadLettersFor(options, { kafka, mayEmit })
  return {
    source,
    sinks: sink === undefined ? [] : [sink],
    deadLetters,
    async start() {
      source?.start()
      await sink?.start()
    },
  }
}

function sourceFor(
  { dir, config, store, values, report }: PartsOptions,
  kafka: Kafka,
  registry: SchemaRegistry | undefined,
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
    queueBytesMax: config.kafkaQueueMb * 1_000_000,
    outputs: [config.kafkaChangesTopic, config.kafkaPersonasTopic],
    deadLetterSuffix: config.kafkaDeadLetterSuffix,
    mark: { store: store.id, dir },
    claim: isOn(config.kafkaClaim),
    watermarks: () => store.watermarks(),
    schemas: new SchemaLookup({ values, registry, stored: (key) => store.schema(key), report }),
    report,
  })
}

type SinkParts = { readonly kafka: Kafka; readonly mayEmit: () => boolean }

function sinkFor(
  options: PartsOptions,
  { kafka, registry, mayEmit }: SinkParts & { readonly registry: SchemaRegistry | undefined },
): KafkaSink | undefined {
  const { config, store, report } = options
  const { kafkaGroup: group, kafkaChangesTopic: changesTopic, kafkaPersonasTopic: personasTopic } = config
  if (changesTopic === '') return undefined
  const name = kafkaSinkName(changesTopic)
  return new KafkaSink({
    group,
    changesTopic,
    personasTopic,
    outlet: outletFor(options, { name, kafka, mayEmit, rowsEnd: () => store.counters().changes }),
    next: store.sinkCursor(name)?.next ?? 0,
    partitions: directoryOf(config, kafka),
    messages: once(() => messageOptions(config, registry, report)),
  })
}

function deadLettersFor(options: PartsOptions, { kafka, mayEmit }: SinkParts): KafkaDeadLetters | undefined {
  const { config, store, report } = options
  const { kafkaGroup: group, kafkaDeadLetterSuffix: suffix } = config
  if (suffix === '') return undefined
  return new KafkaDeadLetters({
    group,
    suffix,
    outlet: outletFor(options, {
      name: 'kafka dead letters',
      kafka,
      mayEmit,
      rowsEnd: () => store.counters().quarantineIds,
    }),
    next: store.sinkCursor(deadLetterSinkName)?.next ?? 0,
    partitionsOf: partitionCounts(kafka),
    warn: (message, fields) => report.log('warn', message, fields),
  })
}

function outletFor(
  { dir, config, store, report }: PartsOptions,
  { name, kafka, mayEmit, rowsEnd }: SinkParts & { readonly name: string; readonly rowsEnd: () => number },
): Outlet {
  const options = {
    kafka,
    group: config.kafkaGroup,
    mark: { store: store.id, dir },
    claim: isOn(config.kafkaClaim),
    rowsEnd,
    compression: compressionOf(config.kafkaCompression),
    report,
  }
  const delivery: Delivery =
    config.kafkaDelivery === 'exactly_once' ? new TransactionalDelivery(options) : new PlainDelivery(options)
  return new Outlet({ name, delivery, mayEmit, report })
}

/** Registers the schemas of what is sent, where there is a registry. */
async function messageOptions(
  { kafkaGroup, kafkaChangesTopic, kafkaPersonasTopic }: Config,
  registry: SchemaRegistry | undefined,
  report: Report,
): Promise<MessageOptions> {
  const source = `/kindred/${encodeURIComponent(kafkaGroup)}`
  if (registry === undefined) return { source, schemas: undefined }
  try {
    const changeId = await registry.register(`${kafkaChangesTopic}-value`, changeSchema)
    const answerId =
      kafkaPersonasTopic === '' ? 0 : await registry.register(`${kafkaPersonasTopic}-value`, answerSchema)
    report.problem('schema registry', undefined)
    return { source, schemas: { changeId, answerId, url: registry.url } }
  } catch (error) {
    report.problem('schema registry', messageOf(error))
    throw error
  }
}

/** What `make` gives, made once it succeeds. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: T | undefined
  return async () => {
    made ??= await make()
    return made
  }
}

/** The partitions of the topics that are consumed. */
function directoryOf(config: Config, kafka: Kafka): PartitionDirectory {
  const selection = parseTopics(config.kafkaTopics)
  let known: { readonly partitions: readonly Partition[]; readonly at: number } | undefined
  return {
    async list(asOf) {
      if (selection === undefined) return []
      if (known !== undefined && asOf === 'lately' && performance.now() - known.at < directoryMs)
        return known.partitions
      const partitions = await withAdmin(kafka, async (admin) => {
        const { topics } = selectTopics(selection, await admin.listTopics(), {
          outputs: [config.kafkaChangesTopic, config.kafkaPersonasTopic],
          deadLetterSuffix: config.kafkaDeadLetterSuffix,
        })
        const metadata = topics.length === 0 ? { topics: [] } : await admin.fetchTopicMetadata({ topics })
        return metadata.topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionId }): Partition => ({ topic: name, partition: partitionId })),
        )
      })
      known = { partitions, at: performance.now() }
      return partitions
    },
  }
}

function partitionCounts(kafka: Kafka): (topic: string) => Promise<number> {
  const counts = new Map<string, number>()
  return async (topic) => {
    const known = counts.get(topic)
    if (known !== undefined) return known
    const count = await withAdmin(kafka, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]!.partitions.length
    })
    counts.set(topic, count)
    return count
  }
}

export async function withAdmin<T>(
  kafka: Kafka,
  work: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
): Promise<T> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
