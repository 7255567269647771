// Delivery to Kafka: by lanes, each with a transactional producer of its own and a register of how far it came, committed
// in the same transaction as the messages; or, for clusters that forbid transactions, by one plain producer.
import type { CompressionTypes, Kafka, Producer, TopicMessages } from 'kafkajs'
import { FatalError, messageOf, TransientError } from '../errors.ts'
import { withAdmin } from '../kafka/client.ts'
import { Partitioners } from '../kafka/kafkajs.ts'
import { registerGroupOf } from '../kafka/names.ts'
import { ownedByOther, ownerMark, ownerOfOffset, type StoreMark } from '../kafka/owner.ts'
import type { Report } from '../kafka/report.ts'

/** Transactions hold back readers of committed records: one that hangs is aborted by the broker after this long. */
const transactionMs = 30_000
/**
 * A transaction that follows another at once is refused while the broker still writes the end of the one before: that
 * takes milliseconds, so tries begin close together.
 */
const retry = { initialRetryTime: 8, multiplier: 1.7, factor: 0.2, retries: 12, maxRetryTime: 1_500 }

/** One order of messages: its transactional id, and the partition of the register that it writes. */
export type Lane = {
  readonly id: string
  readonly registerTopic: string
  readonly registerPartition: number
}

export type Delivery = {
  /** Fences whoever sent in these lanes before, and tells by lane what was registered: numbers below it were delivered. */
  open(lanes: readonly Lane[]): Promise<ReadonlyMap<string, number>>
  /** Sends messages, with `next` as the lane's register; `mayCommit` is asked last. */
  send(lane: Lane, messages: readonly TopicMessages[], next: number, mayCommit: () => boolean): Promise<void>
  close(): Promise<void>
}

export type DeliveryOptions = {
  readonly kafka: Kafka
  readonly group: string
  readonly mark: StoreMark
  /** Registers of another data directory, or ahead of this one, are passed over. */
  readonly claim: boolean
  /** Number of the next row of the store: a register beyond it belongs to a newer copy. */
  readonly rowsEnd: () => number
  readonly compression: CompressionTypes
  readonly report: Report
}

/** Exactly once: what readers of committed records see has no repeat and no hole. */
export class TransactionalDelivery implements Delivery {
  readonly #options: DeliveryOptions
  readonly #producers = new Map<string, Producer>()
  /** Lanes that this process has sent in: their registers may be as far as its rows are now. */
  readonly #sentIn = new Set<string>()
  readonly #rowsAtStart: number

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#rowsAtStart = options.rowsEnd()
  }

  async open(lanes: readonly Lane[]): Promise<ReadonlyMap<string, number>> {
    const fenced = await Promise.allSettled(lanes.map((lane) => this.#fence(lane)))
    // told only when none is at it any more: a producer that connects after `close` would be left open
    for (const outcome of fenced) if (outcome.status === 'rejected') throw outcome.reason
    return this.#registered(lanes)
  }

  async send(
    lane: Lane,
    topicMessages: readonly TopicMessages[],
    next: number,
    mayCommit: () => boolean,
  ): Promise<void> {
    const { report } = this.#options
    const producer = this.#producers.get(lane.id)
    if (producer === undefined) throw new FatalError(`lane ${lane.id} was not opened`)
    this.#sentIn.add(lane.id)
    try {
      await this.#transact(producer, { lane, topicMessages, next, mayCommit })
    } catch (error) {
      // kafkajs takes back the sequence numbers of everything it sent at once, also of what the broker took: sent again it
      // would be taken for a repeat. A new epoch begins to count anew.
      this.#producers.delete(lane.id)
      await producer.disconnect().catch((failure: unknown) => report.debug(messageOf(failure)))
      throw error
    }
  }

  async #transact(
    producer: Producer,
    {
      lane,
      topicMessages,
      next,
      mayCommit,
    }: { lane: Lane; topicMessages: readonly TopicMessages[]; next: number; mayCommit: () => boolean },
  ): Promise<void> {
    const { compression, group, mark } = this.#options
    const transaction = await producer.transaction()
    try {
      if (topicMessages.length > 0)
        await transaction.sendBatch({ topicMessages: [...topicMessages], acks: -1, compression })
      const offset = { partition: lane.registerPartition, offset: String(next), metadata: ownerMark(mark) }
      await transaction.sendOffsets({
        consumerGroupId: registerGroupOf(group),
        topics: [{ topic: lane.registerTopic, partitions: [offset] }],
      })
      if (!mayCommit()) throw new TransientError('the partitions are not owned now')
    } catch (error) {
      await transaction.abort().catch(() => undefined) // the next producer of this lane fences it in any case
      throw error
    }
    await transaction.commit()
  }

  async close(): Promise<void> {
    const producers = [...this.#producers.values()]
    this.#producers.clear()
    const { report } = this.#options
    await Promise.all(
      producers.map((producer) => producer.disconnect().catch((error) => report.debug(messageOf(error)))),
    )
  }

  /** InitProducerId: ends what an earlier producer of this lane left open, and shuts it out. */
  async #fence({ id }: Lane): Promise<void> {
    if (this.#producers.has(id)) return
    // `idempotent` would ask for a producer id outside transactions, too, and for the right to one; within them all is
    const producer = this.#options.kafka.producer({
      transactionalId: id,
      transactionTimeout: transactionMs,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry,
    })
    this.#producers.set(id, producer)
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.abort()
  }

  /** What is registered; claimed registers of others begin anew, at 0, so that nobody is refused for them again. */
  async #registered(lanes: readonly Lane[]): Promise<Map<string, number>> {
    const { kafka, group, claim } = this.#options
    const topics = [...new Set(lanes.map(({ registerTopic }) => registerTopic))]
    const offsets = await withAdmin(kafka, (admin) =>
      admin.fetchOffsets({ groupId: registerGroupOf(group), topics }),
    )
    const registered = new Map<string, number>()
    for (const lane of lanes) {
      const found = offsets
        .find(({ topic }) => topic === lane.registerTopic)
        ?.partitions.find(({ partition }) => partition === lane.registerPartition)
      // taken for a lane that never sent, one whose topic was not told of now would send everything again
      if (found === undefined)
        throw new TransientError(
          `the register of ${lane.registerTopic}/${lane.registerPartition} was not told`,
        )
      if (Number(found.offset) < 0) continue
      const refusal = this.#refusalOf(lane, found)
      if (refusal !== undefined && !claim) throw refusal
      if (refusal !== undefined) await this.send(lane, [], 0, () => true)
      registered.set(lane.id, refusal === undefined ? Number(found.offset) : 0)
    }
    return registered
  }

  /** Why a register cannot be this directory's: another's, or a newer copy's. */
  #refusalOf({ id }: Lane, { offset, metadata }: Register): FatalError | undefined {
    const { group, mark, rowsEnd } = this.#options
    const owner = ownerOfOffset(metadata)
    if (owner === undefined)
      return new FatalError(
        `the group ${registerGroupOf(group)} has offsets that are not Kindred's: name another group with KINDRED_KAFKA_GROUP`,
      )
    if (owner.kindred_store !== mark.store) return ownedByOther(group, owner)
    // an older copy soon has as many rows, of records that it reads again
    const rows = this.#sentIn.has(id) ? rowsEnd() : this.#rowsAtStart
    if (Number(offset) <= rows) return undefined
    return new FatalError(
      `the group's register says that ${offset} rows were sent, and this data directory has ${rows}: it is an older copy. Restore the newest one, or go on with KINDRED_KAFKA_CLAIM=true (change events may then repeat or be lacking)`,
    )
  }
}

type Register = { readonly offset: string; readonly metadata: string | null }

/** At least once: acknowledged by all replicas, and sent again after a crash. */
export class PlainDelivery implements Delivery {
  readonly #options: DeliveryOptions
  #producer: Producer | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  async open(): Promise<ReadonlyMap<string, number>> {
    if (this.#producer !== undefined) return new Map()
    this.#producer = this.#options.kafka.producer({
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    })
    await this.#producer.connect()
    return new Map()
  }

  async send(
    _lane: Lane,
    topicMessages: readonly TopicMessages[],
    _next: number,
    mayCommit: () => boolean,
  ): Promise<void> {
    if (!mayCommit()) throw new TransientError('the partitions are not owned now')
    const { compression } = this.#options
    await this.#producer!.sendBatch({ topicMessages: [...topicMessages], acks: -1, compression })
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.disconnect()
  }
}
