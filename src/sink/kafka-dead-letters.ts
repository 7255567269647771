// Sink: records of topics that could not be applied to the dead-letter topic beside theirs: the same partition number,
// key and bytes, and in the headers where they came from and why. They stay in quarantine as well, to be tried again.
import type { IHeaders, Message } from 'kafkajs'
import { decodeEnvelope } from '../codec/envelope.ts'
import { isTooLarge } from '../kafka/problem.ts'
import type { QuarantinedRecord } from '../store/port.ts'
import type { Lane } from './kafka-delivery.ts'
import type { Outlet } from './kafka-outlet.ts'
import type { DeadLetterSink } from './port.ts'

export const deadLetterSinkName = 'kafka:dead-letters'

/** Class named in the headers, as Kafka Connect names its own. */
const errorClass = 'kindred.InvalidRecordError'
/** Bytes of one transaction: letters may be as large as the topic lets them. */
const bytesMax = 4 * 1024 * 1024

export type DeadLetterOptions = {
  readonly group: string
  readonly suffix: string
  readonly outlet: Outlet
  readonly next: number
  /** Partitions of a dead-letter topic: a letter goes to its own partition number if there is one. */
  readonly partitionsOf: (topic: string) => Promise<number>
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

type Letter = {
  /** Its id in quarantine. */
  readonly number: number
  readonly topic: string
  readonly message: Message
}

export class KafkaDeadLetters implements DeadLetterSink {
  readonly name = deadLetterSinkName
  readonly #options: DeadLetterOptions
  #next: number

  constructor(options: DeadLetterOptions) {
    this.#options = options
    this.#next = options.next
  }

  get next(): number {
    return this.#next
  }

  async deliver(records: readonly QuarantinedRecord[]): Promise<void> {
    await this.#options.outlet.run(() => this.#deliver(records))
  }

  async close(): Promise<void> {
    await this.#options.outlet.close()
  }

  async #deliver(records: readonly QuarantinedRecord[]): Promise<void> {
    for (const group of groupsOf(records.filter(({ id }) => id >= this.#next))) {
      const letters = await Promise.all(
        group.filter(({ envelope }) => envelope !== undefined).map((record) => this.#letterOf(record)),
      )
      for (const topic of new Set(letters.map((letter) => letter.topic)))
        await this.#send(
          topic,
          letters.filter((letter) => letter.topic === topic),
        )
      this.#next = group.at(-1)!.id + 1
    }
  }

  async #send(topic: string, letters: readonly Letter[]): Promise<void> {
    const { outlet, group } = this.#options
    const lane: Lane = { id: `${group}-${topic}`, registerTopic: topic, registerPartition: 0 }
    await outlet.open([lane])
    await this.#sendFitting(lane, letters)
  }

  /** One that is too large by itself goes without its value: it stays in quarantine. */
  async #sendFitting(lane: Lane, letters: readonly Letter[]): Promise<void> {
    const { outlet, warn } = this.#options
    const topic = lane.registerTopic
    try {
      await outlet.sendFitting(lane, letters, (some) => [
        { topic, messages: some.map(({ message }) => message) },
      ])
    } catch (error) {
      const first = letters.find(({ number }) => number >= outlet.registeredOf(lane))!
      if (!isTooLarge(error) || first.message.value === null) throw error
      warn(
        `${topic} takes no message of this size: raise its max.message.bytes; the bytes are kept in quarantine`,
        { quarantine_id: first.number },
      )
      const others = letters.filter(({ number }) => number > first.number)
      await this.#sendFitting(lane, [{ ...first, message: withoutValue(first.message) }, ...others])
    }
  }

  async #letterOf({ id, cause, bytes, envelope: json }: QuarantinedRecord): Promise<Letter> {
    const { suffix, partitionsOf } = this.#options
    const { topic: from, partition, offset, key, nullValue, timestamp, headers } = decodeEnvelope(json!)
    const topic = `${from}${suffix}`
    const message: Message = {
      key: key === null ? null : Buffer.from(key),
      value: nullValue ? null : Buffer.from(bytes),
      timestamp: String(timestamp),
      partition: partition % (await partitionsOf(topic)),
      headers: {
        ...headersOf(headers),
        '__connect.errors.topic': from,
        '__connect.errors.partition': String(partition),
        '__connect.errors.offset': String(offset),
        '__connect.errors.exception.class.name': errorClass,
        '__connect.errors.exception.message': cause,
        'kindred.errors.quarantine_id': String(id),
      },
    }
    return { number: id, topic, message }
  }
}

/** Records in order, so many at once as their bytes allow. */
function* groupsOf(records: readonly QuarantinedRecord[]): Generator<QuarantinedRecord[]> {
  let group: QuarantinedRecord[] = []
  let bytes = 0
  for (const record of records) {
    if (group.length > 0 && bytes + record.bytes.length > bytesMax) {
      yield group
      group = []
      bytes = 0
    }
    group.push(record)
    bytes += record.bytes.length
  }
  if (group.length > 0) yield group
}

function headersOf(headers: readonly (readonly [string, Uint8Array])[]): IHeaders {
  const all: Record<string, Buffer[]> = {}
  for (const [name, value] of headers) {
    all[name] ??= []
    all[name].push(Buffer.from(value))
  }
  return all
}

function withoutValue(message: Message): Message {
  return {
    ...message,
    value: null,
    headers: { ...message.headers, 'kindred.errors.value': 'kept in quarantine' },
  }
}
