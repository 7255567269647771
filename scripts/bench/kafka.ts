// Kafka: events a second from a topic through the pipeline to committed change events on another, over kafkajs reading the
// same topic and doing nothing, and over the embedded replay of the same events to a change file, in turns; then the time
// from producing an event to its change being readable for readers of committed records, at a steady rate.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { Kafka, logLevel, Partitioners } from '../../src/kafka/kafkajs.ts'
import { type LocalKafka, startKafka } from '../kafka-local/kafka.ts'
import { nodeFlags } from '../node-flags.ts'
import type { PipelineRun } from './ingest-run.ts'
import type { KafkaRun, KafkaRunInput } from './kafka-run.ts'
import {
  type BenchOptions,
  type BenchResult,
  eventSequence,
  histogramOf,
  inTemporary,
  linesOf,
  median,
  percentile,
  writeLabels,
} from './shared.ts'

const rounds = 3
const partitions = 4
const sentAtOnce = 2_000
/** The steady rate, and for how long. */
const eventsPerSecond = 1_000
const steadySeconds = 30
const tickMs = 5
const input = 'bench-events'

type Size = {
  readonly tiny: boolean
  readonly rounds: number
  readonly warm: number
  readonly steady: number
}

export async function kafkaBench({ tiny, report }: BenchOptions): Promise<BenchResult> {
  const sequence = eventSequence({ tiny })
  const lines = await linesOf(sequence)
  const steady = tiny ? 500 : eventsPerSecond * steadySeconds
  const size: Size = { tiny, rounds: tiny ? 1 : rounds, warm: Math.floor(lines.length / 2), steady }
  return inTemporary(async (dir) => {
    await using kafka = await startKafka({ dir: join(dir, 'kafka') })
    const labels = join(dir, 'labels.ndjson')
    writeLabels(labels, sequence.labels)
    await fill(kafka, lines)
    const throughput = await measureThroughput(kafka, { labels, size, events: lines.length, report })
    const latency = await measureLatency(kafka, { dir, labels, lines, size })
    report(`from produced to readable, ms:\n${histogramOf(latency)}`)
    return {
      sequence: sequence.name,
      ...throughput,
      steady_events_per_second: eventsPerSecond,
      changes_measured: latency.length,
      change_p50_ms: rounded(percentile(latency, 0.5)),
      change_p99_ms: rounded(percentile(latency, 0.99)),
      change_max_ms: rounded(Math.max(...latency)),
    }
  })
}

/** Reading alone, the embedded replay and the pipeline on Kafka, one after another, so many times; medians count. */
async function measureThroughput(
  kafka: LocalKafka,
  {
    labels,
    size,
    events,
    report,
  }: { labels: string; size: Size; events: number; report: (line: string) => void },
) {
  const reads: number[] = []
  const embedded: PipelineRun[] = []
  const runs: KafkaRun[] = []
  for (let round = 0; round < size.rounds; round++) {
    reads.push(await readOnly(kafka, events))
    embedded.push(await forked<PipelineRun>('./ingest-run.js', ['--emit', ...(size.tiny ? ['--tiny'] : [])]))
    const run: KafkaRunInput = {
      brokers: kafka.brokers,
      topic: input,
      partitions,
      group: `bench-${round}`,
      labels,
    }
    runs.push(await forked<KafkaRun>('./kafka-run.js', [JSON.stringify(run)]))
    report(
      `reading alone ${Math.round(reads[round]!)}/s, embedded ${Math.round(embedded[round]!.eventsPerSecond)}/s, Kafka ${Math.round(runs[round]!.eventsPerSecond)}/s`,
    )
  }
  return {
    events,
    events_per_second: Math.round(median(runs.map((run) => run.eventsPerSecond))),
    reading_alone_events_per_second: Math.round(median(reads)),
    embedded_events_per_second: Math.round(median(embedded.map((run) => run.eventsPerSecond))),
    ratio_to_reading_alone: rounded(median(runs.map((run, i) => run.eventsPerSecond / reads[i]!))),
    ratio_to_embedded: rounded(
      median(runs.map((run, i) => run.eventsPerSecond / embedded[i]!.eventsPerSecond)),
    ),
    changes: runs[0]!.changes,
    peak_memory_mb: Math.round(Math.max(...runs.map((run) => run.peakMb))),
    result_hash: runs[0]!.hash,
  }
}

async function fill(kafka: LocalKafka, lines: readonly string[]): Promise<void> {
  const admin = clientOf(kafka).admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic: input, numPartitions: partitions }] })
  await admin.disconnect()
  await produceAll(kafka, input, lines)
}

async function produceAll(kafka: LocalKafka, topic: string, lines: readonly string[]): Promise<void> {
  const producer = clientOf(kafka).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  for (let from = 0; from < lines.length; from += sentAtOnce)
    await producer.send({ topic, messages: lines.slice(from, from + sentAtOnce).map(messageOf) })
  await producer.disconnect()
}

function messageOf(line: string): { key: string; value: string } {
  return { key: (JSON.parse(line) as { user_id: string }).user_id, value: line }
}

/** Events a second of a consumer that does nothing. */
async function readOnly(kafka: LocalKafka, events: number): Promise<number> {
  const consumer = clientOf(kafka).consumer({ groupId: `idle-${performance.now()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: input, fromBeginning: true })
  let seen = 0
  const started = performance.now()
  await new Promise<void>((resolve, reject) => {
    const eachBatch = async ({ batch }: { batch: { messages: readonly unknown[] } }) => {
      seen += batch.messages.length
      if (seen >= events) resolve()
    }
    consumer.run({ autoCommit: false, eachBatch }).catch(reject)
  })
  const seconds = (performance.now() - started) / 1000
  await consumer.disconnect()
  return events / seconds
}

/** One run in a process of its own. */
async function forked<T>(script: string, args: readonly string[]): Promise<T> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args)
  let run: T | undefined
  child.once('message', (message) => {
    run = message as T
  })
  const [code] = await once(child, 'exit')
  if (code !== 0 || run === undefined) throw new Error(`${script} ended with code ${code}`)
  return run
}

/** Milliseconds from the moment an event was due to be produced until its change is read, for each that caused one. */
async function measureLatency(
  kafka: LocalKafka,
  { dir, labels, lines, size }: { dir: string; labels: string; lines: readonly string[]; size: Size },
): Promise<number[]> {
  const topic = 'steady-events'
  const admin = clientOf(kafka).admin()
  await admin.connect()
  const outputs = ['steady-changes', 'steady-personas', `${topic}.dlq`]
  await admin.createTopics({
    waitForLeaders: true,
    topics: [topic, ...outputs].map((name) => ({ topic: name, numPartitions: partitions })),
  })
  await admin.disconnect()
  await produceAll(kafka, topic, lines.slice(0, size.warm))
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
  const args = [main, 'serve', '--data', join(dir, 'steady'), '--port', '0', '--prototypes', labels]
  const env = {
    ...process.env,
    KINDRED_KAFKA_BROKERS: kafka.brokers.join(),
    KINDRED_KAFKA_TOPICS: topic,
    KINDRED_KAFKA_CHANGES_TOPIC: 'steady-changes',
    KINDRED_KAFKA_PERSONAS_TOPIC: 'steady-personas',
    KINDRED_LOG_LEVEL: 'warn',
  }
  const serve = spawn(process.execPath, [...nodeFlags, ...args], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  try {
    const reader = await readChanges(kafka, 'steady-changes')
    await reader.quiet()
    const due = await produceSteadily(kafka, topic, lines.slice(size.warm, size.warm + size.steady))
    await reader.quiet()
    await reader.stop()
    return [...reader.seen].flatMap(([eventId, at]) => {
      const start = due.get(eventId)
      return start === undefined ? [] : [at - start]
    })
  } finally {
    serve.kill('SIGTERM')
    await once(serve, 'exit')
  }
}

/** Sends what is due every few milliseconds, whether or not earlier sends are answered; when each event was due. */
async function produceSteadily(
  kafka: LocalKafka,
  topic: string,
  lines: readonly string[],
): Promise<Map<string, number>> {
  const producer = clientOf(kafka).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const due = new Map<string, number>()
  const sends: Promise<unknown>[] = []
  const started = performance.now()
  const dueAt = (i: number) => started + (i * 1000) / eventsPerSecond
  for (let next = 0; next < lines.length; ) {
    const messages = []
    for (; next < lines.length && dueAt(next) <= performance.now(); next++) {
      due.set((JSON.parse(lines[next]!) as { event_id: string }).event_id, dueAt(next))
      messages.push(messageOf(lines[next]!))
    }
    if (messages.length > 0) sends.push(producer.send({ topic, messages }))
    await sleep(tickMs)
  }
  await Promise.all(sends)
  await producer.disconnect()
  return due
}

const quietMs = 2_000

/** Reads committed changes, and remembers when the first of each cause was seen. */
async function readChanges(kafka: LocalKafka, topic: string) {
  const consumer = clientOf(kafka).consumer({ groupId: 'steady-reader', maxWaitTimeInMs: 100 })
  const seen = new Map<string, number>()
  let last = performance.now()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      last = performance.now()
      const { cause } = JSON.parse(message.value!.toString('utf8')) as ChangeEvent
      if (!seen.has(cause.event_id)) seen.set(cause.event_id, last)
    },
  })
  return {
    seen,
    /** Resolves once something was read and nothing more came for a while. */
    async quiet() {
      while (seen.size === 0 || performance.now() - last < quietMs) await sleep(50)
    },
    stop: () => consumer.disconnect(),
  }
}

function clientOf({ brokers }: LocalKafka): Kafka {
  return new Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: logLevel.NOTHING })
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
