// I5 on a real Kafka: the year of a shop over four partitions, through kills, restarts of the broker and takeovers. The
// state is exact, and change events have neither a repeat nor a hole for readers of committed records.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message } from 'kafkajs'
import type { LocalKafka } from '../../scripts/kafka-local/kafka.ts'
import { decodeChangeAvro } from '../../src/codec/change-avro.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { configFrom } from '../../src/config.ts'
import { createRandom, type Random } from '../../src/demo/random.ts'
import { openProfiler } from '../../src/profiler.ts'
import { openChangeFile } from '../../src/sink/change-file.ts'
import type { JournalEntry } from '../../src/store/port.ts'
import { avroValue, eventOfAvro, eventSchema } from '../support/avro-values.ts'
import { fold, foldedExport } from '../support/change-fold.ts'
import { lines as quarantined, succeed, withDirectory } from '../support/command.ts'
import { assertSameExports, assertSound, countersIn, type Exports, exportsIn } from '../support/exports.ts'
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts'
import { skipKafka, withKafka } from '../support/kafka.ts'
import { readStore, serveKafka, untilConsumed } from '../support/kafka-serve.ts'
import {
  createTopic,
  endsOf,
  keyedByUser,
  produce,
  type ReadMessage,
  readTopic,
} from '../support/kafka-topics.ts'
import { parseMetrics } from '../support/prometheus-text.ts'
import { skipRealData } from '../support/real-data.ts'
import { assertSameLines } from '../support/same-lines.ts'
import type { Server } from '../support/server.ts'
import { shopLines, writeShop } from '../support/shop-files.ts'
import { until } from '../support/wait.ts'

const events = 406_829
const partitions = 4
const killsMin = 15
const rounds = 19
const brokerStops = new Map([
  [5, 'stop' as const],
  [12, 'kill' as const],
])
const takeovers = new Set([8, 15])
const takeoverMsMax = 15_000
/** How long one process may live: the last one consumes what is left, on a slow machine, too. */
const secondsMax = 600
const seed = 20261124

type Place = {
  readonly kafka: LocalKafka
  readonly data: string
  readonly registry: FakeRegistry
  readonly random: Random
}

describe('exactly once on Kafka', { skip: skipKafka || skipRealData }, () => {
  it(`holds over ${killsMin} kills, two restarts of the broker and two takeovers`, () =>
    withDirectory(async (dir) => {
      const registry = await startFakeRegistry()
      try {
        await withKafka({}, (kafka) =>
          runYear(dir, { kafka, registry, data: join(dir, 'data'), random: createRandom(seed) }),
        )
      } finally {
        await registry.stop()
      }
    }))
})

async function runYear(dir: string, place: Place): Promise<void> {
  const { kafka, data, registry } = place
  const lines = await shopLines(events)
  assert.equal(lines.events.length, events)
  const { prototypes } = writeShop(dir, lines)
  await succeed(['prototypes', 'import', prototypes, '--data', data])
  await createTopic(kafka.brokers, 'orders', { partitions })
  await succeed(['topics', 'create', '--partitions', String(partitions)], { env: settingsOf(place) })

  const { kills, takeoverMs } = await disturb(place, messagesOf(lines.events, registry))
  assert.ok(kills >= killsMin, `${kills} kills hit a running process`)
  assert.equal(takeoverMs.length, takeovers.size)
  for (const ms of takeoverMs) assert.ok(ms <= takeoverMsMax, `a takeover took ${ms} ms`)

  assert.deepEqual(await quarantined(['quarantine', 'list', '--data', data]), [])
  const counters = (await countersIn(data))!
  const ends = await endsOf(kafka.brokers, 'orders')
  const sent = [...ends.values()].reduce((sum, end) => sum + end, 0)
  assert.equal(sent, events, 'every event is in the topic once')
  assert.equal(counters.position, events + 2, 'every event has one position, and so have import and switch')
  await assertSound(data)
  const changes = await readTopic(kafka.brokers, 'persona-changes')
  assertChangesWhole(changes, await succeed(['export', 'users', '--data', data]))
  const found = await exportsIn(data)
  await assertStraight(dir, { found, prototypes, events: join(dir, 'events.ndjson') })
  await assertReplayed(dir, { place, found, prototypes, changes })
}

/** Odd users in JSON, the others in Avro by the registry. */
function messagesOf(lines: readonly string[], registry: FakeRegistry): Message[] {
  const id = registry.register(eventSchema)
  return keyedByUser(lines).map((message) =>
    Number(message.key) % 2 === 1 ? message : { ...message, value: avroValue(id, message.value as string) },
  )
}

function settingsOf({ registry, kafka }: Place): Record<string, string> {
  return {
    KINDRED_KAFKA_BROKERS: kafka.brokers.join(),
    KINDRED_KAFKA_TOPICS: 'orders',
    KINDRED_KAFKA_REGISTRY: registry.url,
  }
}

const serveOptions = ({ registry }: Place) => ({
  env: { KINDRED_KAFKA_REGISTRY: registry.url, KINDRED_BATCH_SIZE: '512', KINDRED_PORT: '0' },
  secondsMax,
})

/** The events come in slices; in each something breaks, and at the end all of it is consumed. */
async function disturb(
  place: Place,
  messages: readonly Message[],
): Promise<{ kills: number; takeoverMs: number[] }> {
  const { kafka, data, random } = place
  const slice = Math.ceil(messages.length / rounds)
  const takeoverMs: number[] = []
  let kills = 0
  let server = await serveKafka(data, kafka.brokers, serveOptions(place))
  for (let round = 0; round < rounds; round++) {
    await produce(kafka.brokers, 'orders', messages.slice(round * slice, (round + 1) * slice))
    await untilProgress(data)
    await sleep(random.integer(400))
    const stop = brokerStops.get(round)
    if (stop !== undefined) {
      await kafka[stop]()
      await sleep(random.integer(500))
      await kafka.restart()
    } else if (takeovers.has(round)) {
      const { next, ms } = await takeOver(place, server)
      server = next
      takeoverMs.push(ms)
      kills++
    } else if (round < rounds - 1) {
      const { signal } = await server.kill()
      assert.equal(signal, 'SIGKILL', 'it ran until it was killed')
      kills++
      server = await serveKafka(data, kafka.brokers, serveOptions(place))
    }
  }
  try {
    await untilConsumed(data, 'orders', await endsOf(kafka.brokers, 'orders'))
    await untilSent(server)
  } catch (error) {
    throw new Error(server.stderr(), { cause: error })
  }
  const { code, stderr } = await server.stop()
  assert.equal(code, 0, stderr)
  return { kills, takeoverMs }
}

/** An end waits some seconds for its changes to go out, which are more than that on a slow machine: the next start sends them. */
async function untilSent({ url }: Server): Promise<void> {
  await until('all changes are sent', async () => {
    const metrics = parseMetrics(await (await fetch(`${url}/metrics`)).text())
    return metrics.value('kindred_sink_backlog_rows', { sink: 'kafka:persona-changes' }) === 0
  })
}

async function untilProgress(data: string): Promise<void> {
  await readStore(data, async (store) => {
    const { position } = store.counters()
    await until('events are applied', () => store.counters().position > position)
  })
}

/** A second process waits on the directory; the first is killed; how long until events are applied again, ms. */
async function takeOver(place: Place, server: Server): Promise<{ next: Server; ms: number }> {
  const { kafka, data } = place
  const next = await serveKafka(data, kafka.brokers, serveOptions(place))
  assert.match(next.stderr(), /on standby/)
  assert.equal((await next.get('/readyz')).status, 503)
  await server.kill()
  const position = (await countersIn(data))!.position
  const started = performance.now()
  const pending = [...(await endsOf(kafka.brokers, 'orders'))]
  const unread = await readStore(data, (store) =>
    pending.some(([partition, end]) => store.watermark(`kafka:orders/${partition}`) < end),
  )
  await readStore(data, (store) =>
    until('the second process consumes', async () =>
      unread ? store.counters().position > position : (await next.get('/readyz')).status === 200,
    ),
  ).catch((error: unknown) => {
    throw new Error(`${next.stderr()} unread ${unread}`, { cause: error })
  })
  return { next, ms: performance.now() - started }
}

/** No repeat, no hole, each user's in order in one partition; folded they are the exported answers. */
function assertChangesWhole(messages: readonly ReadMessage[], users: string): void {
  const seen = new Map<string, ReadMessage>()
  const partitionOf = new Map<string, number>()
  const values = messages.map((message) => {
    const change = changeOf(message)
    const before = seen.get(change.event_id)
    if (before !== undefined)
      assert.fail(`${change.event_id} comes twice: ${placeOf(before)} and ${placeOf(message)}`)
    seen.set(change.event_id, message)
    assert.equal(message.headers.ce_id, change.event_id)
    assert.equal(message.key, change.user_id)
    assert.equal(partitionOf.get(change.user_id) ?? message.partition, message.partition)
    partitionOf.set(change.user_id, message.partition)
    return JSON.stringify(change)
  })
  assert.deepEqual(fold(values), foldedExport(users))
}

/** What tells a repeat in the topic from two changes of one record. */
function placeOf(message: ReadMessage): string {
  const { sequence, cause } = changeOf(message)
  const { partition, offset, timestamp } = message
  return JSON.stringify({ partition, offset, timestamp, sequence, cause })
}

function changeOf({ value }: ReadMessage): ChangeEvent {
  return decodeChangeAvro(value!.subarray(5))
}

/** Whatever the order: edges and every product's mass are those of the file read straight through. */
async function assertStraight(
  dir: string,
  { found, prototypes, events: file }: { found: Exports; prototypes: string; events: string },
): Promise<void> {
  const straight = join(dir, 'straight')
  await succeed(['replay', file, '--data', straight, '--prototypes', prototypes])
  const expected = await exportsIn(straight)
  assertSameLines(found.graph, expected.graph, 'edges')
  const masses = (products: readonly string[]) =>
    products.map((line) => {
      const { product_id, buyers, labelled_mass } = JSON.parse(line) as Record<string, unknown>
      return JSON.stringify({ product_id, buyers, labelled_mass })
    })
  assertSameLines(masses(found.products), masses(expected.products), 'buyers and labelled mass')
}

/** The commit journal's order through the embedded log: the same exports, and byte for byte the same change events. */
async function assertReplayed(
  dir: string,
  {
    place,
    found,
    prototypes,
    changes,
  }: { place: Place; found: Exports; prototypes: string; changes: readonly ReadMessage[] },
): Promise<void> {
  const [data, file] = [join(dir, 'replayed'), join(dir, 'replayed.ndjson')]
  await succeed(['prototypes', 'import', prototypes, '--data', data])
  const journal = await readStore(place.data, (store) => [...store.journal()])
  const records = await readTopic(place.kafka.brokers, 'orders')
  await replayJournal(data, { file, journal, records })
  assertSameExports(await exportsIn(data), found)
  const told = readFileSync(file, 'utf8').trimEnd().split('\n')
  assertSameLines(
    told,
    changes.map((message) => JSON.stringify(changeOf(message))),
    'change events',
  )
}

async function replayJournal(
  data: string,
  {
    file,
    journal,
    records,
  }: { file: string; journal: readonly JournalEntry[]; records: readonly ReadMessage[] },
): Promise<void> {
  const bySource = new Map<string, ReadMessage[]>()
  for (const record of records) {
    const source = `kafka:orders/${record.partition}`
    const before = bySource.get(source)
    if (before === undefined) bySource.set(source, [record])
    else before.push(record)
  }
  await using profiler = openProfiler({
    dir: data,
    config: configFrom({}),
    role: 'test',
    sinks: (store) => [openChangeFile(file, store)],
  })
  for (const { source, from, to } of journal) {
    const range = bySource.get(source)?.slice(from, to) // without gaps: the index is the offset
    if (range === undefined) continue
    profiler.log.append([
      {
        format: { kind: 'json' },
        source,
        records: range.map(({ value }) => Buffer.from(jsonOf(value!))),
        refOffsets: range.map(({ offset }) => offset),
      },
    ])
    await profiler.consumer.drain()
  }
  await profiler.consumer.checkpoint()
}

/** The event as JSON, whichever way it was written. */
function jsonOf(value: Buffer): Buffer {
  return value[0] === 0 ? Buffer.from(JSON.stringify(eventOfAvro(value))) : value
}
