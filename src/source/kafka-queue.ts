// Fetched records that wait to be applied: bounded in bytes, each partition's in order and without a hole.
import type { KafkaMessage } from 'kafkajs'
import type { Envelope } from '../codec/kafka-value.ts'
import type { RecordRef } from '../core/event.ts'
import { FatalError } from '../errors.ts'
import { type Partition, sourceOf } from '../kafka/names.ts'
import type { RecordBatch, SourceRecord } from './port.ts'

/** What was fetched of one partition at once: `from` is the offset asked for, `next` the one to ask for after it. */
export type Fetched = {
  readonly partition: Partition
  /** Source that references of its records name. */
  readonly refSource: string
  readonly from: number
  readonly next: number
  readonly messages: readonly KafkaMessage[]
  readonly bytes: number
  readonly schemas: ReadonlyMap<string, string>
}

type Waiting = { readonly fetched: Fetched; taken: number }

export class FetchedQueue {
  #waiting: Waiting[] = []
  #bytes = 0
  /** Offset that the next batch of each source must go on from. */
  readonly #next = new Map<string, number>()
  readonly #waiters = new Set<() => void>()
  readonly #bytesMax: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get full(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  get empty(): boolean {
    return this.#waiting.length === 0
  }

  push(fetched: Fetched): void {
    this.#waiting.push({ fetched, taken: 0 })
    this.#bytes += fetched.bytes
    this.#wake()
  }

  /** Forgets everything that waits: it is fetched again from where each source stands then. */
  clear(): void {
    this.#waiting = []
    this.#bytes = 0
    this.#next.clear()
    this.#wake()
  }

  /** The oldest records, of one partition, `recordsMax` at the most. */
  take(recordsMax: number): RecordBatch | undefined {
    const head = this.#waiting[0]
    if (head === undefined) return undefined
    const { fetched } = head
    const source = sourceOf(fetched.partition)
    const first = head.taken
    const messages = fetched.messages.slice(first, first + recordsMax)
    head.taken += messages.length
    const isLast = head.taken === fetched.messages.length
    const from = first === 0 ? fetched.from : Number(fetched.messages[first - 1]!.offset) + 1
    const next = isLast ? fetched.next : Number(messages[messages.length - 1]!.offset) + 1
    const expected = this.#next.get(source) ?? from
    if (expected !== from)
      throw new FatalError(`records ${expected} to ${from} of ${source} are lacking: a fault of this program`)
    this.#next.set(source, next)
    if (isLast) {
      this.#waiting.shift()
      this.#bytes -= fetched.bytes
      this.#wake()
    }
    const records = messages.map((message) => new KafkaRecord(message, fetched))
    return { source, records, from, next, schemas: fetched.schemas }
  }

  #wake(): void {
    for (const done of [...this.#waiters]) done()
  }

  /** Resolves when something was pushed, taken or cleared, on `signal`, or after `msMax`. */
  async changed(signal: AbortSignal, msMax?: number): Promise<void> {
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(late)
        this.#waiters.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const late = msMax === undefined ? undefined : setTimeout(done, msMax)
      this.#waiters.add(done)
      signal.addEventListener('abort', done)
    })
  }
}

const textDecoder = new TextDecoder()

/** A message as a record; its value is what was fetched, not copied. */
class KafkaRecord implements SourceRecord {
  readonly offset: number
  readonly ref: RecordRef
  readonly format: { readonly kind: 'kafka'; readonly topic: string }
  readonly envelope: Envelope
  readonly wellFormed = true
  readonly #value: Buffer | null

  constructor(
    { offset, key, value, timestamp, headers }: KafkaMessage,
    { partition: { topic, partition }, refSource }: Fetched,
  ) {
    this.offset = Number(offset)
    this.ref = { source: refSource, offset: this.offset }
    this.format = { kind: 'kafka', topic }
    this.#value = value
    this.envelope = {
      topic,
      partition,
      offset: this.offset,
      timestamp: Number(timestamp),
      key,
      nullValue: value === null,
      headers: headersOf(headers),
    }
  }

  get text(): string {
    return textDecoder.decode(this.bytes())
  }

  bytes(): Uint8Array {
    return this.#value ?? new Uint8Array(0)
  }
}

const noHeaders: Envelope['headers'] = []

function headersOf(headers: KafkaMessage['headers']): Envelope['headers'] {
  if (headers === undefined) return noHeaders
  const entries = Object.entries(headers)
  if (entries.length === 0) return noHeaders
  return entries.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (one) => [name, Buffer.from(one ?? '')] as const, // kafkajs gives null for a header without a value,
    ),
  )
}
