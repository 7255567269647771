// Source: Kafka topics through one consumer group, all partitions owned by this process. The store's watermarks say where
// each is read from, on every assignment; the group's offsets are a mirror for dashboards. A session that breaks is begun
// anew, for as long as that may help; what may not ends the process.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { FatalError, messageOf, TransientError } from '../errors.ts'
import {
  epochSourceOf,
  type Partition,
  partitionOf,
  selectTopics,
  sourceOf,
  type TopicSelection,
} from '../kafka/names.ts'
import { checkOwner, ownerMark, type StoreMark } from '../kafka/owner.ts'
import { kafkaFailure } from '../kafka/problem.ts'
import type { Report } from '../kafka/report.ts'
import { monotonicMs } from '../kafka/shared-state.ts'
import type { PartitionLag } from '../metrics/ingest-metrics.ts'
import { type Claim, ownerAssigner } from './kafka-assigner.ts'
import { PartitionLags } from './kafka-lag.ts'
import { FetchedQueue } from './kafka-queue.ts'
import type { SchemaLookup } from './kafka-schemas.ts'
import { beginnings } from './kafka-start.ts'
import type { RecordBatch, Stream } from './port.ts'

/** The longest that a fetch waits for records: heartbeats go out between fetches. */
const fetchWaitMs = 500
/** How often the offsets are mirrored to the group. */
const mirrorMs = 1_000
/** Waits between two tries of a session that broke. */
const backoffMs = { first: 250, most: 5_000 }

export type KafkaSourceOptions = {
  readonly kafka: Kafka
  readonly topics: TopicSelection
  readonly group: string
  readonly from: string
  readonly reset: 'fail' | 'earliest'
  readonly sessionMs: number
  /** How often topics are looked for that a pattern fits, and partitions that were added. */
  readonly refreshMs: number
  readonly queueBytesMax: number
  /** Topics that Kindred writes, and the suffix of dead letters: never consumed by a pattern. */
  readonly outputs: readonly string[]
  readonly deadLetterSuffix: string
  readonly mark: StoreMark
  /** Take the group over from another data directory. */
  readonly claim: boolean
  readonly watermarks: () => Readonly<Record<string, number>>
  /** Told until when the partitions are surely this process's own (`monotonicMs`), and 0 when they are not. */
  readonly onLease: (untilMs: number) => void
  readonly schemas: SchemaLookup
  readonly report: Report
}

export class KafkaSource implements Stream {
  readonly #options: KafkaSourceOptions
  readonly #queue: FetchedQueue
  /** Where sources begin: taken before anything that was fetched. */
  #begins: RecordBatch[] = []
  #consumer: Consumer | undefined
  #assigned = false
  /** Until when the group surely counts this member as its own: a session timeout after the last heartbeat was sent. */
  #leaseEnd = 0
  /** Counts assignments: what was fetched under an earlier one is forgotten. */
  #generation = 0
  readonly #positions = new Map<string, number>()
  readonly #onDisk = new Map<string, number>()
  readonly #mirrored = new Map<string, number>()
  readonly #lags = new PartitionLags()
  readonly #stopped = new AbortController()
  #ended: Promise<void> | undefined
  #failure: FatalError | undefined

  constructor(options: KafkaSourceOptions) {
    this.#options = options
    this.#queue = new FetchedQueue(options.queueBytesMax)
  }

  /** Begins to read, and goes on until it is closed; what cannot be mended is thrown by the next `take`. */
  start(): void {
    this.#options.report.starting('kafka source', 'connecting')
    this.#ended = this.#supervise()
  }

  /** Whether all partitions are this process's own now, as far as it can know. */
  get owned(): boolean {
    return this.#assigned && monotonicMs() < this.#leaseEnd
  }

  take(recordsMax: number): RecordBatch | undefined {
    if (this.#failure !== undefined) throw this.#failure
    return this.#begins.shift() ?? this.#queue.take(recordsMax)
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (this.#failure === undefined && this.#begins.length === 0 && this.#queue.empty)
      await this.#queue.changed(signal)
  }

  consumed(source: string, next: number): void {
    this.#onDisk.set(source, next)
    this.#lags.consumed(source, next)
  }

  /** How far each partition that this process owns is ahead of what is on disk; `now`: ms since 1970. */
  lags(now: number): PartitionLag[] {
    return this.#lags.read(now)
  }

  /** Leaves the group, its offsets mirrored. */
  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#ended
  }

  async #supervise(): Promise<void> {
    const { report } = this.#options
    const { signal } = this.#stopped
    let wait = backoffMs.first
    while (!signal.aborted) {
      const began = performance.now()
      try {
        await this.#session(signal)
        wait = backoffMs.first
      } catch (error) {
        const failure = kafkaFailure(error, 'consuming')
        if (failure instanceof FatalError) {
          this.#failure = failure
          this.#queue.clear() // wakes whoever waits, who is told then
          return
        }
        report.problem('kafka source', failure.message)
        if (performance.now() - began > 2 * backoffMs.most) wait = backoffMs.first
        await sleep(wait, undefined, { signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
      }
    }
  }

  /** From connecting to the end of one consumer: until `signal`, a crash, or topics that come and go. */
  async #session(signal: AbortSignal): Promise<void> {
    const { kafka, report } = this.#options
    const admin = kafka.admin()
    const over = deferred()
    const ended = new AbortController()
    try {
      await admin.connect()
      const topics = await this.#prepare(admin)
      await this.#join(topics, over.reject)
      const mirror = setInterval(() => void this.#mirror(), mirrorMs)
      try {
        const whileJoined = AbortSignal.any([signal, ended.signal])
        await Promise.race([over.promise, this.#changesOf(admin, topics, whileJoined)])
      } finally {
        clearInterval(mirror)
        if (this.owned) await this.#mirror()
      }
    } finally {
      ended.abort()
      this.#lose()
      const consumer = this.#consumer
      this.#consumer = undefined
      await consumer?.disconnect().catch((error: unknown) => report.debug(messageOf(error)))
      await admin.disconnect().catch((error: unknown) => report.debug(messageOf(error)))
    }
  }

  /** The topics to consume, once they are there, are ours to consume, and every partition has a place to be read from. */
  async #prepare(admin: Admin): Promise<string[]> {
    const { topics: selection, group, mark, claim, report, reset, from } = this.#options
    const { topics, missing } = selectTopics(selection, await admin.listTopics(), this.#options)
    if (missing.length > 0)
      throw new TransientError(
        `there is no topic ${missing.join(', ')}, or no right to see it: make it with \`kindred topics create\`, grant DESCRIBE on it, or correct KINDRED_KAFKA_TOPICS`,
      )
    if (topics.length === 0) throw new TransientError('no topic fits the pattern of KINDRED_KAFKA_TOPICS')
    await checkOwner(admin, { group, topics, mark, claim })
    this.#begins = await beginnings(admin, topics, {
      from,
      reset,
      watermarks: this.#options.watermarks(),
      warn: (message, fields) => report.log('warn', message, fields),
    })
    return topics
  }

  async #join(topics: readonly string[], fail: (error: unknown) => void): Promise<void> {
    const { kafka, group, sessionMs, refreshMs, report } = this.#options
    const consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionMs,
      heartbeatInterval: Math.floor(sessionMs / 4),
      maxWaitTimeInMs: Math.min(fetchWaitMs, sessionMs / 4),
      metadataMaxAge: refreshMs,
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: 100, retries: 3, restartOnFailure: async () => false },
      partitionAssigners: [ownerAssigner(() => this.#claim())],
    })
    this.#consumer = consumer
    const { events } = consumer
    /** When it was sent what the group answered last. */
    let answeredTo = 0
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      try {
        this.#assign(consumer, { assignment: payload.memberAssignment, answeredTo })
      } catch (error) {
        fail(error)
      }
    })
    consumer.on(events.REQUEST, ({ payload }) => {
      if (payload.apiName === 'Heartbeat' || payload.apiName === 'SyncGroup') answeredTo = payload.sentAt
    })
    consumer.on(events.HEARTBEAT, () => this.#extendLease(answeredTo))
    consumer.on(events.REBALANCING, () => this.#lose())
    consumer.on(events.CRASH, ({ payload }) => fail(payload.error))
    consumer.on(events.STOP, () => this.#lose())
    consumer.on(events.START_BATCH_PROCESS, ({ payload }) => {
      if (Number(payload.batchSize) === 0) this.#passOver(payload, Number(payload.lastOffset) + 1)
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => this.#fetched(payload),
    })
    report.debug(`joined group ${group}`)
  }

  /** Asked at every join: what was assigned before is no longer this member's, but it is the one to have it again. */
  #claim(): Claim {
    const held = monotonicMs() < this.#leaseEnd
    this.#lose()
    return { store: this.#options.mark.store, held }
  }

  /** An assignment: everything fetched before is forgotten, and every partition is read from where the store stands. */
  #assign(
    consumer: Consumer,
    {
      assignment,
      answeredTo,
    }: { assignment: Readonly<Record<string, readonly number[]>>; answeredTo: number },
  ): void {
    const { group, watermarks, report } = this.#options
    this.#lose()
    const partitions = Object.entries(assignment).flatMap(([topic, list]) =>
      list.map((partition): Partition => ({ topic, partition })),
    )
    if (partitions.length === 0)
      throw new FatalError(
        `the consumer group ${group} is owned by another data directory: name another group with KINDRED_KAFKA_GROUP, or stop the other process`,
      )
    const stored = watermarks()
    for (const partition of partitions) {
      const source = sourceOf(partition)
      const begin = this.#begins.find((batch) => batch.source === source)
      const offset = begin?.next ?? stored[source] ?? 0 // a partition that was just added: from its beginning
      this.#positions.set(source, offset)
      this.#lags.begin(source, offset)
      if (begin === undefined && !this.#onDisk.has(source)) this.#onDisk.set(source, offset)
      consumer.seek({ ...partition, offset: String(offset) })
    }
    this.#assigned = true
    this.#extendLease(answeredTo)
    report.problem('kafka source', undefined)
    report.log('info', 'consuming', { group, partitions: partitions.map(sourceOf) })
  }

  /** The group's clock of this member began no earlier than it was sent what the group has just answered. */
  #extendLease(sentAt: number): void {
    const age = Math.max(0, Date.now() - sentAt)
    this.#leaseEnd = Math.max(this.#leaseEnd, monotonicMs() - age + this.#options.sessionMs)
    if (this.#assigned) this.#options.onLease(this.#leaseEnd)
  }

  /** The partitions may be another's now: what was fetched and not applied is forgotten. */
  #lose(): void {
    this.#generation++
    this.#assigned = false
    this.#options.onLease(0)
    this.#positions.clear()
    this.#lags.clear()
    this.#mirrored.clear()
    this.#queue.clear()
  }

  /** Records of one partition, into the queue once it has room and their schemas are known. */
  async #fetched(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, isRunning, isStale } = payload
    const { topic, partition } = batch
    const generation = this.#generation
    const source = sourceOf({ topic, partition })
    const asked = Number((batch as unknown as { fetchedOffset: string }).fetchedOffset)
    const from = this.#positions.get(source) ?? asked
    if (asked !== from)
      throw new TransientError(`${source} was to be read from ${from}, and Kafka goes on from ${asked}`)
    const current = () => generation === this.#generation && isRunning() && !isStale()
    const heartbeat = async () => {
      try {
        await payload.heartbeat()
      } catch (error) {
        this.#lose()
        throw error
      }
    }
    const values = batch.messages.map(({ value }) => value)
    const schemas = await this.#options.schemas.forValues(values, {
      signal: this.#stopped.signal,
      heartbeat,
      current,
    })
    while (current() && this.#queue.full) {
      await this.#queue.changed(this.#stopped.signal, fetchWaitMs)
      await heartbeat()
    }
    if (!current()) return
    const next = Number(batch.lastOffset()) + 1
    const bytes = batch.messages.reduce(
      (sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0),
      0,
    )
    this.#queue.push({
      partition: { topic, partition },
      refSource: this.#refSourceOf({ topic, partition }),
      from,
      next,
      messages: batch.messages,
      bytes,
      schemas,
    })
    this.#positions.set(source, next)
    const first = batch.messages.at(0)
    const last = batch.messages.at(-1)
    this.#lags.fetched(source, {
      end: Number(batch.highWatermark),
      next,
      ...(first === undefined ? {} : { at: Number(first.timestamp), lastAt: Number(last!.timestamp) }),
    })
    if (last !== undefined) resolveOffset(last.offset)
  }

  /** Offsets that hold no record (marks of transactions): the watermark goes past them. */
  #passOver({ topic, partition }: Partition, next: number): void {
    const source = sourceOf({ topic, partition })
    const from = this.#positions.get(source)
    if (!this.#assigned || from === undefined || next <= from) return
    const nothing = { messages: [], bytes: 0, schemas: new Map<string, string>() }
    this.#queue.push({ partition: { topic, partition }, refSource: source, from, next, ...nothing })
    this.#positions.set(source, next)
  }

  #refSourceOf(partition: Partition): string {
    const name = epochSourceOf(partition)
    const begun = this.#begins.find(({ source }) => source === name)?.next
    const epoch = begun ?? this.#options.watermarks()[name] ?? 0
    return epoch === 0 ? sourceOf(partition) : `${sourceOf(partition)}#${epoch}`
  }

  /** Shows the group, and so every lag dashboard, what is applied and on disk. */
  async #mirror(): Promise<void> {
    const { mark, report } = this.#options
    const due = [...this.#onDisk].filter(
      ([source, next]) => this.#mirrored.get(source) !== next && this.#positions.has(source),
    )
    if (due.length === 0 || !this.owned) return
    try {
      await this.#consumer?.commitOffsets(
        due.map(([source, next]) => ({
          ...partitionOf(source)!,
          offset: String(next),
          metadata: ownerMark(mark),
        })),
      )
      for (const [source, next] of due) this.#mirrored.set(source, next)
    } catch (error) {
      report.debug(`offsets were not mirrored: ${messageOf(error)}`)
    }
  }

  /** Resolves on `signal`, and when other topics are to be consumed than `topics`. */
  async #changesOf(admin: Admin, topics: readonly string[], signal: AbortSignal): Promise<void> {
    const { topics: selection, refreshMs, report } = this.#options
    while (!signal.aborted) {
      await sleep(refreshMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted || selection.kind === 'names') continue
      const now = selectTopics(selection, await admin.listTopics(), this.#options).topics
      if (now.join() === topics.join()) continue
      report.log('info', 'the topics that the pattern fits have changed', { topics: now })
      return
    }
  }
}

type Deferred = { readonly promise: Promise<never>; readonly reject: (error: unknown) => void }

function deferred(): Deferred {
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<never>((_, fail) => (reject = fail))
  promise.catch(() => undefined)
  return { promise, reject }
}
