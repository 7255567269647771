// demo --kafka and demo --produce: the demo's shop over a real Kafka; what they need is loaded when they are asked for.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { importOf } from '../codec/prototypes.ts'
import { type Config, configFrom } from '../config.ts'
import type { DemoShop } from '../demo/shop.ts'
import { FatalError, UsageError } from '../errors.ts'
import { createKafka, withAdmin } from '../kafka/client.ts'
import { type Kafka, Partitioners } from '../kafka/kafkajs.ts'
import { parseTopics, sourceOf } from '../kafka/names.ts'
import { kafkaFailure } from '../kafka/problem.ts'
import { StatusReport } from '../kafka/report.ts'
import { openProfiler, type Profiler } from '../profiler.ts'
import { openKafkaParts } from '../profiler-kafka.ts'
import { bar, grouped, Progress } from './output.ts'
import { createTopics } from './topics-run.ts'

const topic = 'shop-events'
const partitions = 4
const sentAtOnce = 1_000
const tickMs = 20
const pollMs = 20

/** Labels and personas of the shop as files, whole from the moment they are there. */
function writeSeed(dir: string, shop: DemoShop): void {
  mkdirSync(dir, { recursive: true })
  const labels = shop.prototypes.map((prototype) => `${JSON.stringify(prototype)}\n`).join('')
  for (const [name, text] of [
    ['labels.ndjson', labels],
    ['personas.json', `${JSON.stringify(shop.personas, null, 2)}\n`],
  ] as const) {
    writeFileSync(join(dir, `${name}.new`), text)
    renameSync(join(dir, `${name}.new`), join(dir, name))
  }
}

/** Sends the shop's events to the topic of the configuration, keyed by shopper, `rate` a second. */
export async function produceShop(
  shop: DemoShop,
  { config, rate, seedDir }: { config: Config; rate: number; seedDir: string | undefined },
): Promise<void> {
  if (config.kafkaBrokers === '')
    throw new UsageError('KINDRED_KAFKA_BROKERS is not set: name the brokers to produce to')
  const selection = parseTopics(config.kafkaTopics)
  if (selection?.kind !== 'names' || selection.names.length !== 1)
    throw new UsageError('KINDRED_KAFKA_TOPICS must name the one topic to produce to')
  if (seedDir !== undefined) writeSeed(seedDir, shop)
  const progress = new Progress()
  try {
    await produce(createKafka(config), selection.names[0]!, {
      shop,
      rate,
      onSent: (sent) => progress.show(() => `${bar(sent / shop.events.length)} ${grouped(sent)} events`),
    })
  } catch (error) {
    throw new FatalError(kafkaFailure(error, 'producing').message)
  } finally {
    progress.end()
  }
}

async function produce(
  kafka: Kafka,
  to: string,
  { shop, rate, onSent }: { shop: DemoShop; rate: number; onSent: (sent: number) => void },
): Promise<void> {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  })
  await producer.connect()
  try {
    const started = performance.now()
    for (let sent = 0; sent < shop.events.length; ) {
      const due = Math.floor(((performance.now() - started) / 1000) * rate)
      const events = shop.events.slice(sent, Math.min(Math.max(due, sent), sent + sentAtOnce))
      if (events.length === 0) {
        await sleep(tickMs)
        continue
      }
      const messages = events.map((event) => ({ key: event.user_id, value: JSON.stringify(event) }))
      await producer.send({ topic: to, messages })
      sent += events.length
      onSent(sent)
    }
  } finally {
    await producer.disconnect()
  }
}

/** What a run over Kafka took: from the first event produced to the last change committed. */
export type KafkaStream = { readonly seconds: number; readonly rewalks: number; readonly brokers: string }

/**
 * Starts a Kafka on this machine, produces the shop's events to it and consumes them into the directory; `look` sees the
 * profiler once every change is committed on its topic.
 */
export async function streamOverKafka(
  dir: string,
  { shop, look }: { shop: DemoShop; look: (profiler: Profiler, stream: KafkaStream) => void },
): Promise<void> {
  const { kafkaProblem, startKafka } = await import('../../scripts/kafka-local/kafka.ts')
  const problem = kafkaProblem()
  if (problem !== undefined) throw new FatalError(`a local Apache Kafka ${problem}`)
  process.stderr.write('starting Apache Kafka (the first time it is fetched: some 50 MB)\n')
  await using local = await startKafka({ dir: join(dir, 'kafka') })
  const config = configFrom(process.env, {
    kafkaBrokers: local.brokers.join(),
    kafkaTopics: topic,
    kafkaGroup: 'kindred-demo',
  })
  await createTopics({ config, partitions, replication: 1 })
  const data = join(dir, 'data')
  await importLabels(data, shop)
  const report = new StatusReport((level, message) => {
    if (level === 'warn' || level === 'error') process.stderr.write(`${message}\n`)
  })
  await using profiler = openProfiler({
    dir: data,
    config,
    role: 'demo',
    commitInThread: true,
    kafka: ({ store, values }) => openKafkaParts({ dir: data, config, store, values, report }),
  })
  const before = profiler.store.counters().rewalks
  const started = performance.now()
  profiler.kafka!.start()
  await consumeShop(profiler, createKafka(config), shop)
  look(profiler, {
    seconds: (performance.now() - started) / 1000,
    rewalks: profiler.store.counters().rewalks - before,
    brokers: config.kafkaBrokers,
  })
}

async function consumeShop(profiler: Profiler, kafka: Kafka, shop: DemoShop): Promise<void> {
  const stop = new AbortController()
  const consuming = profiler.consumer.run(stop.signal)
  const progress = new Progress()
  const rate = Number.POSITIVE_INFINITY
  await Promise.race([consuming, produce(kafka, topic, { shop, rate, onSent: () => undefined })])
  const ends = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic))
  const { store } = profiler
  const left = () =>
    ends.reduce(
      (sum, { partition, high }) => sum + Number(high) - store.watermark(sourceOf({ topic, partition })),
      0,
    )
  const delivered = () => profiler.kafka!.sinks.every(({ next }) => next >= store.counters().changes)
  const done = async () => {
    while (left() > 0 || !delivered()) {
      progress.show(() => bar(1 - left() / shop.events.length))
      await sleep(pollMs)
    }
  }
  await Promise.race([consuming, done()])
  progress.end()
  stop.abort()
  await consuming
}

/** The prototypes as of the first event, before Kafka's are read. */
async function importLabels(dir: string, shop: DemoShop): Promise<void> {
  await using profiler = openProfiler({ dir, config: configFrom(process.env), role: 'demo' })
  const at = Date.parse(shop.events[0]!.ts)
  const set = importOf(shop.prototypes, shop.personas.personas)
  profiler.log.appendControl({ kind: 'import', set, at })
  await profiler.consumer.drain()
  await profiler.consumer.checkpoint()
}

/** How it went on the way, for people. */
export function describeStream({ brokers }: KafkaStream, changes: number): string {
  return `Over Apache Kafka at ${brokers}: events from the topic ${topic} (${partitions} partitions), ${grouped(changes)} persona changes\ncommitted to persona-changes and the current answers to personas, exactly once.\n\n`
}
