// One run of the Kafka benchmark's pipeline, in a process of its own; what it measured goes to the parent.
import { readFileSync } from 'node:fs'
import { importOf, parseLabels } from '../../src/codec/prototypes.ts'
import { configFrom } from '../../src/config.ts'
import { Kafka, logLevel } from '../../src/kafka/kafkajs.ts'
import { sourceOf } from '../../src/kafka/names.ts'
import { StatusReport } from '../../src/kafka/report.ts'
import { openProfiler, type Profiler } from '../../src/profiler.ts'
import { openKafkaParts } from '../../src/profiler-kafka.ts'
import { resultHash } from './result-hash.ts'
import { anonymousMb, inTemporary } from './shared.ts'

export type KafkaRunInput = {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly group: string
  /** File of prototypes. */
  readonly labels: string
}
export type KafkaRun = {
  readonly eventsPerSecond: number
  readonly changes: number
  readonly peakMb: number
  readonly hash: string
}

/** From the start of consuming until every event is on disk and its changes are committed on their topic. */
async function runPipeline(
  { brokers, topic, partitions, group, labels }: KafkaRunInput,
  dir: string,
): Promise<KafkaRun> {
  const config = configFrom({
    KINDRED_KAFKA_BROKERS: brokers.join(),
    KINDRED_KAFKA_TOPICS: topic,
    KINDRED_KAFKA_GROUP: group,
    KINDRED_KAFKA_CHANGES_TOPIC: `${group}-changes`,
    KINDRED_KAFKA_PERSONAS_TOPIC: `${group}-personas`,
  })
  const ends = await prepare(brokers, { topic, group, partitions })
  const report = new StatusReport((level, message) => {
    if (level === 'warn' || level === 'error') console.error(message)
  })
  await importLabels(dir, labels)
  await using profiler = openProfiler({
    dir,
    config,
    role: 'bench',
    commitInThread: true,
    kafka: ({ store, values }) => openKafkaParts({ dir, config, store, values, report }),
  })
  const { store } = profiler
  const events = [...ends.values()].reduce((sum, end) => sum + end, 0)
  const started = performance.now()
  profiler.kafka!.start()
  const peakMb = await consumeAll(profiler, { topic, ends })
  const seconds = (performance.now() - started) / 1000
  return {
    eventsPerSecond: events / seconds,
    changes: store.counters().changes,
    peakMb,
    hash: resultHash(profiler.store),
  }
}

/** Before Kafka is there, as `prototypes import` does. */
async function importLabels(dir: string, labels: string): Promise<void> {
  await using profiler = openProfiler({ dir, config: configFrom({}), role: 'bench' })
  profiler.log.appendControl({
    kind: 'import',
    set: importOf(parseLabels(readFileSync(labels, 'utf8'), labels)),
  })
  await profiler.consumer.drain()
  await profiler.consumer.checkpoint()
}

async function consumeAll(
  { consumer, store, kafka }: Profiler,
  { topic, ends }: { topic: string; ends: ReadonlyMap<number, number> },
): Promise<number> {
  const stop = new AbortController()
  let peakMb = anonymousMb()
  const done = () =>
    [...ends].every(([partition, end]) => store.watermark(sourceOf({ topic, partition })) >= end) &&
    kafka!.sinks.every(({ next }) => next >= store.counters().changes)
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, anonymousMb())
    if (done()) stop.abort()
  }, 20)
  await consumer.run(stop.signal)
  clearInterval(watch)
  await store.flushed()
  return peakMb
}

/** The topics that are written, and where the one that is read ends. */
async function prepare(
  brokers: readonly string[],
  { topic, group, partitions }: { topic: string; group: string; partitions: number },
): Promise<Map<number, number>> {
  const admin = new Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: true,
    topics: [`${group}-changes`, `${group}-personas`, `${topic}.dlq`].map((name) => ({
      topic: name,
      numPartitions: partitions,
    })),
  })
  const offsets = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))
}

process.send!(await inTemporary((dir) => runPipeline(JSON.parse(process.argv[2]!) as KafkaRunInput, dir)))
