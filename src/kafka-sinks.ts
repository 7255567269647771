// The sinks to Kafka, by the configuration: what the thread that sends is made of.
import { answerSchema, changeSchema } from './codec/change-avro.ts'
import type { Config } from './config.ts'
import { messageOf, TransientError } from './errors.ts'
import { createKafka, isOn, withAdmin } from './kafka/client.ts'
import { compressionOf } from './kafka/compression.ts'
import type { Kafka } from './kafka/kafkajs.ts'
import { type Partition, parseTopics, selectTopics } from './kafka/names.ts'
import type { SchemaRegistry } from './kafka/registry.ts'
import type { Report } from './kafka/report.ts'
import type { SharedState } from './kafka/shared-state.ts'
import { KafkaDeadLetters } from './sink/kafka-dead-letters.ts'
import { type Delivery, PlainDelivery, TransactionalDelivery } from './sink/kafka-delivery.ts'
import type { MessageOptions } from './sink/kafka-messages.ts'
import { Outlet } from './sink/kafka-outlet.ts'
import { KafkaSink, kafkaSinkName, type PartitionDirectory } from './sink/kafka-sink.ts'
import { registryOf } from './value-codec.ts'

/** What the sinks need of the store: its id, and how far the rows were taken. */
export type SinkStart = { readonly store: string; readonly changes: number; readonly deadLetters: number }

export type SinksOptions = {
  readonly dir: string
  readonly config: Config
  readonly start: SinkStart
  readonly state: SharedState
  readonly report: Report
}

export type KafkaSinks = {
  readonly sink: KafkaSink | undefined
  readonly deadLetters: KafkaDeadLetters | undefined
}

/** Nothing of it connects before it is used. Throws UsageError. */
export function openKafkaSinks(options: SinksOptions): KafkaSinks {
  const { config, report } = options
  const kafka = createKafka(config, (message, fields) => report.debug(message, fields))
  return { sink: sinkFor(options, kafka), deadLetters: deadLettersFor(options, kafka) }
}

function sinkFor(options: SinksOptions, kafka: Kafka): KafkaSink | undefined {
  const { config, start, state, report } = options
  const { kafkaGroup: group, kafkaChangesTopic: changesTopic, kafkaPersonasTopic: personasTopic } = config
  if (changesTopic === '') return undefined
  const registry = registryOf(config)
  const name = kafkaSinkName(changesTopic)
  return new KafkaSink({
    group,
    changesTopic,
    personasTopic,
    outlet: outletFor(options, { name, kafka, rowsEnd: () => state.changes }),
    next: start.changes,
    partitions: directoryOf(config, kafka),
    messages: once(() => messageOptions(config, registry, report)),
  })
}

function deadLettersFor(options: SinksOptions, kafka: Kafka): KafkaDeadLetters | undefined {
  const { config, start, state, report } = options
  const { kafkaGroup: group, kafkaDeadLetterSuffix: suffix } = config
  if (!hasDeadLetters(config)) return undefined
  return new KafkaDeadLetters({
    group,
    suffix,
    outlet: outletFor(options, { name: 'kafka dead letters', kafka, rowsEnd: () => state.quarantineIds }),
    next: start.deadLetters,
    partitionsOf: partitionCounts(kafka),
    warn: (message, fields) => report.log('warn', message, fields),
  })
}

/** Letters are of what is consumed. */
export function hasDeadLetters({ kafkaDeadLetterSuffix, kafkaTopics }: Config): boolean {
  return kafkaDeadLetterSuffix !== '' && parseTopics(kafkaTopics) !== undefined
}

function outletFor(
  { dir, config, start, state, report }: SinksOptions,
  { name, kafka, rowsEnd }: { readonly name: string; readonly kafka: Kafka; readonly rowsEnd: () => number },
): Outlet {
  const options = {
    kafka,
    group: config.kafkaGroup,
    mark: { store: start.store, dir },
    claim: isOn(config.kafkaClaim),
    rowsEnd,
    compression: compressionOf(config.kafkaCompression),
    report,
  }
  const delivery: Delivery =
    config.kafkaDelivery === 'exactly_once' ? new TransactionalDelivery(options) : new PlainDelivery(options)
  return new Outlet({ name, delivery, mayEmit: () => state.mayEmit, report })
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

/** The partitions of the topics that are consumed; a list is taken for what exists for as long as a refresh may take. */
function directoryOf(config: Config, kafka: Kafka): PartitionDirectory {
  const selection = parseTopics(config.kafkaTopics)
  let known: { readonly partitions: readonly Partition[]; readonly at: number } | undefined
  const now = async (also: readonly string[]) => {
    const partitions = await withAdmin(kafka, async (admin) => {
      const existing = await admin.listTopics()
      const ours = {
        outputs: [config.kafkaChangesTopic, config.kafkaPersonasTopic],
        deadLetterSuffix: config.kafkaDeadLetterSuffix,
      }
      const selected = selection === undefined ? [] : selectTopics(selection, existing, ours).topics
      const topics = [...new Set([...selected, ...also.filter((topic) => existing.includes(topic))])]
      const metadata = topics.length === 0 ? { topics: [] } : await admin.fetchTopicMetadata({ topics })
      return metadata.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionId }): Partition => ({ topic: name, partition: partitionId })),
      )
    })
    known = { partitions, at: performance.now() }
    return partitions
  }
  return {
    now,
    async lately() {
      if (known !== undefined && performance.now() - known.at < config.kafkaRefreshMs) return known.partitions
      return selection === undefined ? [] : now([])
    },
  }
}

function partitionCounts(kafka: Kafka): (topic: string) => Promise<number> {
  const counts = new Map<string, number>()
  return async (topic) => {
    const known = counts.get(topic)
    if (known !== undefined) return known
    const count = await withAdmin(kafka, async (admin) => {
      // asked for by name it might be made, with settings that nobody chose
      if (!(await admin.listTopics()).includes(topic))
        throw new TransientError(`there is no topic ${topic}: make it with \`kindred topics create\``)
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]!.partitions.length
    })
    counts.set(topic, count)
    return count
  }
}
