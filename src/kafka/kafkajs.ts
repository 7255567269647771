// kafkajs, with the part mended that leaves records of aborted transactions in: the one place that loads it.
//
// kafkajs 2.2.4 takes the aborted transactions of a fetch in the order in which they ended, one a record, so that records
// of transactions that overlap come through. What is put in its place is the Java client's algorithm (CompletedFetch).
import { createRequire } from 'node:module'
import type * as kafkajs from 'kafkajs'
import { FatalError } from '../errors.ts'

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

function load(): typeof kafkajs {
  const require = createRequire(import.meta.url)
  const found = (require('kafkajs/package.json') as { version: string }).version
  if (found !== version)
    throw new FatalError(
      `kafkajs ${found} is installed, and ${version} is what was mended: install what is locked`,
    )
  const filter = require.resolve('kafkajs/src/consumer/filterAbortedMessages')
  require(filter)
  require.cache[filter]!.exports = withoutAborted
  const loaded = require('kafkajs') as typeof kafkajs
  check(require('kafkajs/src/consumer/batch') as BatchClass)
  return loaded
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
