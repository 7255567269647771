// kafkajs, with the part mended that leaves records of aborted transactions in: the one place that loads it.
//
// kafkajs 2.2.4 takes the aborted transactions of a fetch in the order in which they ended, one a record, so that records
// of transactions that overlap come through. What is put in its place is the Java client's algorithm (CompletedFetch).
// It cannot ask whether a group's offsets are stable either: `stable-offsets` adds that.
// And it is slow where it matters: every header of every record that is sent has a buffer of half a kilobyte of its own, and
// every record that is read costs a dozen BigInts. What is put in their place writes the same bytes and reads the same
// records.
import { createRequire, Module } from 'node:module'
import type * as kafkajs from 'kafkajs'
import { FatalError } from '../errors.ts'
import { type Coders, type Definitions, withStableOffsets } from './stable-offsets.ts'

type AbortedTransaction = { readonly firstOffset: string; readonly producerId: string }
type RawMessage = {
  readonly offset: string
  readonly key: Buffer | null
  readonly isControlRecord?: boolean
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean }
}
type Fetched<T> = {
  readonly messages: readonly T[]
  readonly abortedTransactions?: readonly AbortedTransaction[]
}

const version = '2.2.4'
/** Key of a control record that ends an aborted transaction: version 0, type 0. */
const abortKey = Buffer.from([0, 0, 0, 0])

/** The messages without those of aborted transactions. */
export function withoutAborted<T extends RawMessage>({
  messages,
  abortedTransactions,
}: Fetched<T>): readonly T[] {
  if (!abortedTransactions?.length) return messages
  const waiting = abortedTransactions
    .map(({ firstOffset, producerId }) => ({
      firstOffset: Number(firstOffset),
      producerId: String(producerId),
    }))
    .sort((a, b) => a.firstOffset - b.firstOffset)
  const aborted = new Set<string>()
  let next = 0
  return messages.filter(({ offset, key, isControlRecord, batchContext }) => {
    for (; next < waiting.length && waiting[next]!.firstOffset <= Number(offset); next++)
      aborted.add(waiting[next]!.producerId)
    const producerId = String(batchContext.producerId)
    if (isControlRecord) {
      if (key !== null && abortKey.equals(key)) aborted.delete(producerId)
      return true
    }
    return !(batchContext.inTransaction && aborted.has(producerId))
  })
}

type EncodedRecord = {
  readonly offsetDelta?: number
  readonly timestampDelta?: number
  readonly key?: Buffer | string | null
  readonly value: Buffer | string | null
  readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[]>>
}
type Encoder = {
  readonly buffer: Buffer
  writeInt8(value: number): Encoder
  writeVarInt(value: number): Encoder
  writeVarLong(value: number): Encoder
  writeVarIntBytes(value: Buffer | string | null | undefined): Encoder
  writeVarIntString(value: string): Encoder
}
type EncoderClass = {
  new (size: number): Encoder
  sizeOfVarInt(value: number): number
  sizeOfVarLong(value: number): number
  sizeOfVarIntBytes(value: Buffer | string | null | undefined): number
}
type RecordEncoder = (record: EncodedRecord) => Encoder

/** A record of a batch (message format 2), as kafkajs's own encoder writes it. */
function recordEncoderOf(Encoder: EncoderClass): RecordEncoder {
  return ({ offsetDelta = 0, timestampDelta = 0, key, value, headers = {} }) => {
    const flat: (readonly [string, Buffer | string])[] = []
    let size =
      1 +
      Encoder.sizeOfVarLong(timestampDelta) +
      Encoder.sizeOfVarInt(offsetDelta) +
      Encoder.sizeOfVarIntBytes(key) +
      Encoder.sizeOfVarIntBytes(value)
    for (const [name, given] of Object.entries(headers))
      for (const one of Array.isArray(given) ? given : [given]) {
        flat.push([name, one])
        size += Encoder.sizeOfVarIntBytes(name) + Encoder.sizeOfVarIntBytes(one)
      }
    size += Encoder.sizeOfVarInt(flat.length)
    const encoder = new Encoder(size + Encoder.sizeOfVarInt(size))
      .writeVarInt(size)
      .writeInt8(0) // attributes
      .writeVarLong(timestampDelta)
      .writeVarInt(offsetDelta)
      .writeVarIntBytes(key)
      .writeVarIntBytes(value)
      .writeVarInt(flat.length)
    for (const [name, one] of flat) encoder.writeVarIntString(name).writeVarIntBytes(one)
    return encoder
  }
}

type Decoder = {
  readonly buffer: Buffer
  offset: number
  readInt8(): number
  readVarInt(): number
  readVarIntBytes(): Buffer | null
}
/** What the records of a batch have in common; kafkajs has more in it, which is handed on. */
type BatchContext = {
  readonly firstOffset: string
  readonly firstTimestamp: string
  readonly magicByte: number
  readonly isControlBatch: boolean
  /** 0: the producer's time; 1: the broker's, the same for all. */
  readonly timestampType: number
  readonly maxTimestamp: string
}
type RecordDecoder = (decoder: Decoder, context: BatchContext) => object

/** Bytes of a varint that a number holds whatever they are. */
const numberVarintBytes = 7

/** A record of a batch, as kafkajs's own decoder reads it; one without headers, whose numbers are of usual size. */
function recordDecoderOf(theirs: RecordDecoder): RecordDecoder {
  return (decoder, context) => {
    const begin = decoder.offset
    const attributes = decoder.readInt8()
    const timestampDelta = varintOf(decoder)
    const offset = Number(context.firstOffset) + decoder.readVarInt()
    const timestamp = Number(context.firstTimestamp) + (timestampDelta ?? Number.NaN)
    const key = decoder.readVarIntBytes()
    const value = decoder.readVarIntBytes()
    if (decoder.readVarInt() > 0 || !Number.isSafeInteger(timestamp) || !Number.isSafeInteger(offset)) {
      decoder.offset = begin
      return theirs(decoder, context)
    }
    const { magicByte, isControlBatch, timestampType, maxTimestamp } = context
    return {
      magicByte,
      attributes,
      timestamp: timestampType === 1 && maxTimestamp ? maxTimestamp : String(timestamp),
      offset: String(offset),
      key,
      value,
      headers: {},
      isControlRecord: isControlBatch,
      batchContext: context,
    }
  }
}

/** A zigzag varint; undefined where a number might not hold it. */
function varintOf(decoder: Decoder): number | undefined {
  let sum = 0
  for (let i = 0, scale = 1; i < numberVarintBytes; i++, scale *= 128) {
    const byte = decoder.buffer[decoder.offset++]!
    sum += (byte & 127) * scale
    if (byte < 128) return sum % 2 === 0 ? sum / 2 : -(sum + 1) / 2
  }
  return undefined
}

/** Ours and kafkajs's own, for comparison. */
export let records: {
  readonly encoders: { readonly ours: RecordEncoder; readonly theirs: RecordEncoder }
  readonly decoders: { readonly ours: RecordDecoder; readonly theirs: RecordDecoder }
  readonly Decoder: new (buffer: Buffer) => Decoder
}

function load(): typeof kafkajs {
  const require = createRequire(import.meta.url)
  const found = (require('kafkajs/package.json') as { version: string }).version
  if (found !== version)
    throw new FatalError(
      `kafkajs ${found} is installed, and ${version} is what was mended: install what is locked`,
    )
  replaced(require, 'kafkajs/src/consumer/filterAbortedMessages', () => withoutAborted)
  const protocol = 'kafkajs/src/protocol'
  replaced<Definitions>(require, `${protocol}/requests/offsetFetch`, (theirs) =>
    withStableOffsets(theirs, {
      Encoder: require(`${protocol}/encoder`) as Coders['Encoder'],
      Decoder: require(`${protocol}/decoder`) as Coders['Decoder'],
    }),
  )
  const encoders = replaced<RecordEncoder>(require, `${protocol}/recordBatch/record/v0`, () =>
    recordEncoderOf(require(`${protocol}/encoder`) as EncoderClass),
  )
  const decoders = replaced(require, `${protocol}/recordBatch/record/v0/decoder`, recordDecoderOf)
  records = { encoders, decoders, Decoder: require(`${protocol}/decoder`) as typeof records.Decoder }
  const loaded = require('kafkajs') as typeof kafkajs
  check(require('kafkajs/src/consumer/batch') as BatchClass)
  return loaded
}

/** Node's loader below `require`, where hooks that tracing puts on it are not: those keep what a module exported first. */
const { _load: loadFile } = Module as unknown as { _load(file: string): unknown }

/** Puts `ours` in the place of what a module exports, before anything else has it. */
function replaced<T>(
  require: NodeJS.Require,
  module: string,
  ours: (theirs: T) => T,
): { ours: T; theirs: T } {
  const file = require.resolve(module)
  const theirs = loadFile(file) as T
  const put = ours(theirs)
  require.cache[file]!.exports = put
  return { ours: put, theirs }
}

type BatchClass = new (
  topic: string,
  offset: string,
  data: object,
) => { readonly messages: readonly unknown[] }

/** Two transactions that overlap, both aborted: nothing of them is left. */
function check(Batch: BatchClass): void {
  const record = (offset: number, producerId: string) => ({
    offset: String(offset),
    key: null,
    batchContext: { producerId, inTransaction: true },
  })
  const { messages } = new Batch('topic', '0', {
    partition: 0,
    highWatermark: '3',
    messages: [record(0, '1'), record(1, '2'), record(2, '1')],
    abortedTransactions: [
      { firstOffset: '1', producerId: '2' },
      { firstOffset: '0', producerId: '1' },
    ],
  })
  if (messages.length > 0)
    throw new FatalError('kafkajs could not be mended: something else loaded it before')
}

export const {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  AssignerProtocol,
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  logLevel,
  Partitioners,
  ResourcePatternTypes,
} = load()

/** The types of the same names. */
export type Kafka = kafkajs.Kafka
export type CompressionTypes = kafkajs.CompressionTypes
