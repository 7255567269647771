// Sink: change events to Kafka, keyed by user, and beside them the compacted topic of current answers. One transaction a
// lane, the partition of the input that caused the changes; one after another, so that no two overlap in the log: readers
// that tell overlapping transactions apart wrongly (kafkajs 2.2.4 is one) still see each change once.
import type { Message, TopicMessages } from 'kafkajs'
import type { ChangeEvent } from '../codec/change-event.ts'
import { TransientError } from '../errors.ts'
import { type Partition, partitionOf } from '../kafka/names.ts'
import type { ChangeRow } from '../store/port.ts'
import type { Lane } from './kafka-delivery.ts'
import { answerMessage, changeMessage, type MessageOptions, tombstoneOf } from './kafka-messages.ts'
import type { Outlet } from './kafka-outlet.ts'
import type { OutboxRow, Sink } from './port.ts'

/**
 * A partition that is not told of for so long is gone, ms. A broker that has just started may not know of it yet, and what
 * went out in its lane would go out again in another.
 */
const goneMsDefault = 10_000

export type KafkaSinkOptions = {
  readonly group: string
  readonly changesTopic: string
  /** Topic of current answers; empty: none. */
  readonly personasTopic: string
  readonly outlet: Outlet
  /** Number of the first row to deliver, unless the register knows better. */
  readonly next: number
  readonly partitions: PartitionDirectory
  /** How long a partition must not be told of to be gone, ms. */
  readonly goneMs?: number
  /** How messages are encoded, once it is known. */
  readonly messages: () => Promise<MessageOptions>
}

/** The partitions of the topics that are consumed, and of those that were: each is a lane. */
export type PartitionDirectory = {
  /** Those that exist as known a while ago at most. */
  lately(): Promise<readonly Partition[]>
  /** Those that exist now, with those of `topics`, which may not be consumed any more. */
  now(topics: readonly string[]): Promise<readonly Partition[]>
}

/** A row that goes out in a lane. */
type Sent = {
  readonly number: number
  readonly row: OutboxRow
  readonly change: ChangeEvent | undefined
  readonly lane: Lane
}

export function kafkaSinkName(changesTopic: string): string {
  return `kafka:${changesTopic}`
}

export class KafkaSink implements Sink {
  readonly name: string
  readonly takesErasures = true
  readonly #options: KafkaSinkOptions
  readonly #control: Lane
  #next: number
  #lanes: ReadonlyMap<string, Lane> | undefined
  /** Partitions of rows that are not told of, and since when, ms. */
  readonly #lacking = new Map<string, number>()

  constructor(options: KafkaSinkOptions) {
    this.#options = options
    this.name = kafkaSinkName(options.changesTopic)
    this.#next = options.next
    this.#control = {
      id: `${options.group}-control`,
      registerTopic: options.changesTopic,
      registerPartition: 0,
    }
  }

  get next(): number {
    return this.#next
  }

  async deliver(rows: readonly OutboxRow[]): Promise<void> {
    await this.#options.outlet.run(() => this.#deliver(rows))
  }

  /** Fences an earlier process's transactions before there is anything to send: readers may be waiting for their end. */
  async start(): Promise<void> {
    await this.#options.outlet.run(async () => this.#open(await this.#options.partitions.lately()))
  }

  async close(): Promise<void> {
    await this.#options.outlet.close()
  }

  async #open(partitions: readonly Partition[]): Promise<void> {
    const { outlet, group } = this.#options
    const lanes = partitions.map(({ topic, partition }): [string, Lane] => [
      keyOf({ topic, partition }),
      { id: `${group}-${topic}-${partition}`, registerTopic: topic, registerPartition: partition },
    ])
    await outlet.open([this.#control, ...lanes.map(([, lane]) => lane)])
    this.#lanes = new Map(lanes)
  }

  async #deliver(rows: readonly OutboxRow[]): Promise<void> {
    const { outlet, partitions, messages } = this.#options
    const options = await messages()
    await this.#open(await partitions.lately())
    const due = rows.filter(({ number }) => number >= this.#next).map((row) => readRow(row))
    await this.#find(due)
    for (const round of roundsOf(due.map((row) => this.#sentOf(row)))) {
      for (const [lane, sent] of groupByLane(round)) {
        await outlet.sendFitting(lane, sent, (some) => this.#topicMessages(some, options))
      }
      this.#next = round.at(-1)!.row.number + 1
    }
  }

  /** A row must find the same lane after a restart: a partition not known yet is looked for until it must be gone. */
  async #find(due: readonly ReadRow[]): Promise<void> {
    const { partitions, goneMs = goneMsDefault } = this.#options
    const lacking = () =>
      due.flatMap(({ from }) => (from === undefined || this.#lanes!.has(keyOf(from)) ? [] : [from]))
    const unknown = lacking()
    if (unknown.length > 0)
      await this.#open(await partitions.now([...new Set(unknown.map(({ topic }) => topic))]))
    for (const key of this.#lanes!.keys()) this.#lacking.delete(key)
    const now = performance.now()
    for (const key of lacking().map(keyOf)) if (!this.#lacking.has(key)) this.#lacking.set(key, now)
    for (const [key, since] of this.#lacking)
      if (now - since < goneMs)
        throw new TransientError(`Kafka does not tell of ${key}, which caused changes that are to be sent`)
  }

  /** Changes that no partition caused, or one whose topic is gone, have a lane of their own, and so have erasures. */
  #sentOf({ row, change, from }: ReadRow): Sent {
    return {
      number: row.number,
      row,
      change,
      lane: (from && this.#lanes!.get(keyOf(from))) ?? this.#control,
    }
  }

  #topicMessages(sent: readonly Sent[], options: MessageOptions): TopicMessages[] {
    const { changesTopic, personasTopic } = this.#options
    const changes: Message[] = []
    const answers = new Map<string, Message>()
    for (const { row, change } of sent) {
      if (!isChange(row)) answers.set(row.userId, tombstoneOf(row))
      else {
        changes.push(changeMessage(change!, row.json, options))
        if (personasTopic !== '') answers.set(change!.user_id, answerMessage(change!, options))
      }
    }
    const topics: TopicMessages[] = []
    if (changes.length > 0) topics.push({ topic: changesTopic, messages: changes })
    if (personasTopic !== '' && answers.size > 0)
      topics.push({ topic: personasTopic, messages: [...answers.values()] })
    return topics
  }
}

/**
 * Rows in order, cut where a user's next change belongs to another lane than the one before, and around erasures: lanes of
 * one round may go out in any order.
 */
function* roundsOf(sent: readonly Sent[]): Generator<Sent[]> {
  let round: Sent[] = []
  let laneOf = new Map<string, Lane>()
  for (const one of sent) {
    const user = one.change?.user_id
    const conflicts =
      user === undefined ||
      (laneOf.has(user) && laneOf.get(user) !== one.lane) ||
      round.at(-1)?.change === undefined
    if (conflicts && round.length > 0) {
      yield round
      round = []
      laneOf = new Map()
    }
    round.push(one)
    if (user !== undefined) laneOf.set(user, one.lane)
  }
  if (round.length > 0) yield round
}

function groupByLane(round: readonly Sent[]): Map<Lane, Sent[]> {
  const byLane = new Map<Lane, Sent[]>()
  for (const sent of round) {
    const group = byLane.get(sent.lane)
    if (group === undefined) byLane.set(sent.lane, [sent])
    else group.push(sent)
  }
  return byLane
}

type ReadRow = {
  readonly row: OutboxRow
  readonly number: number
  readonly change: ChangeEvent | undefined
  /** The partition that caused it, if one did. */
  readonly from: Partition | undefined
}

function readRow(row: OutboxRow): ReadRow {
  const { number } = row
  if (!isChange(row)) return { row, number, change: undefined, from: undefined }
  const change = JSON.parse(row.json) as ChangeEvent
  return { row, number, change, from: partitionOf(change.cause.source) }
}

/** A partition among the lanes. */
function keyOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`
}

function isChange(row: OutboxRow): row is ChangeRow {
  return 'json' in row
}
