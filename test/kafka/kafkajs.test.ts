// What is put in the place of kafkajs's filter, against a model: transactions of several producers, one within another,
// committed or aborted, fetched from anywhere.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { records, withoutAborted } from '../../src/kafka/kafkajs.ts'
import { registerGroupOf } from '../../src/kafka/names.ts'
import { type Definitions, withStableOffsets } from '../../src/kafka/stable-offsets.ts'

/** What a producer does next: 0 sends within a transaction, 1 sends outside of one, 2 commits, 3 aborts. */
const action = fc.record({ producer: fc.integer({ min: 1, max: 4 }), does: fc.integer({ min: 0, max: 3 }) })

type LogRecord = {
  readonly offset: string
  readonly key: Buffer | null
  readonly isControlRecord: boolean
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean }
}
type Log = {
  readonly records: readonly LogRecord[]
  /** Offsets of records of transactions that were aborted. */
  readonly aborted: ReadonlySet<number>
  readonly transactions: readonly { firstOffset: number; lastOffset: number; producerId: string }[]
}

/** A partition's log: every transaction has ended, as it has below the last stable offset. */
function logOf(actions: readonly { producer: number; does: number }[]): Log {
  const log: LogRecord[] = []
  const open = new Map<number, number[]>()
  const aborted = new Set<number>()
  const transactions: { firstOffset: number; lastOffset: number; producerId: string }[] = []
  const add = (producer: number, { inTransaction = false, key = null as Buffer | null } = {}) => {
    const offset = log.length
    log.push({
      offset: String(offset),
      key,
      isControlRecord: key !== null,
      batchContext: { producerId: String(producer), inTransaction },
    })
    return offset
  }
  const end = (producer: number, abort: boolean) => {
    const offsets = open.get(producer)
    if (offsets === undefined) return
    open.delete(producer)
    const lastOffset = add(producer, { inTransaction: true, key: Buffer.from([0, 0, 0, abort ? 0 : 1]) })
    if (!abort) return
    for (const offset of offsets) aborted.add(offset)
    transactions.push({ firstOffset: offsets[0]!, lastOffset, producerId: String(producer) })
  }
  for (const { producer, does } of actions) {
    if (does === 0)
      open.set(producer, [...(open.get(producer) ?? []), add(producer, { inTransaction: true })])
    else if (does === 1 && !open.has(producer)) add(producer)
    else if (does >= 2) end(producer, does === 3)
  }
  for (const producer of [...open.keys()]) end(producer, producer % 2 === 0)
  return { records: log, aborted, transactions }
}

describe('records of aborted transactions', () => {
  it('are left out, and no others, wherever a fetch begins and ends', () =>
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 60 }),
        fc.nat(),
        fc.nat(),
        fc.infiniteStream(fc.nat()),
        (actions, from, length, order) => {
          const { records, aborted, transactions } = logOf(actions)
          const begin = from % (records.length + 1)
          const messages = records.slice(begin, begin + 1 + (length % 40))
          const last = begin + messages.length - 1
          // what a broker tells of: those that reach into the fetch, in whatever order
          const abortedTransactions = transactions
            .filter(({ firstOffset, lastOffset }) => firstOffset <= last && lastOffset >= begin)
            .map(({ firstOffset, producerId }) => ({ firstOffset: String(firstOffset), producerId }))
            .map((transaction) => ({ transaction, at: order.next().value as number }))
            .sort((a, b) => a.at - b.at)
            .map(({ transaction }) => transaction)
          const kept = withoutAborted({ messages, abortedTransactions }).map(({ offset }) => Number(offset))
          assert.deepEqual(
            kept,
            messages.map(({ offset }) => Number(offset)).filter((offset) => !aborted.has(offset)),
          )
        },
      ),
      { numRuns: 500, seed: 1 },
    ))
})

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 20 }))
const bytes = fc.uint8Array({ maxLength: 3000 }).map((array) => Buffer.from(array))
const headerValue = fc.oneof(text, bytes)

const small = fc.integer({ min: -100, max: 100 })
const record = fc.record({
  offsetDelta: fc.nat(),
  timestampDelta: fc.oneof(small, fc.integer({ min: -(2 ** 50), max: 2 ** 50 })),
  key: fc.oneof(text, bytes, fc.constant(null)),
  value: fc.oneof(text, bytes, fc.constant(null)),
  headers: fc.dictionary(
    fc.string({ maxLength: 40 }),
    fc.oneof(headerValue, fc.array(headerValue, { maxLength: 3 })),
    { maxKeys: 3 },
  ),
})

describe('records', () => {
  it("are written as kafkajs's own encoder writes them", () =>
    fc.assert(
      fc.property(record, (one) => {
        const { ours, theirs } = records.encoders
        assert.deepEqual(ours(one).buffer, theirs(one).buffer)
      }),
      { numRuns: 500, seed: 1 },
    ))

  it("are read as kafkajs's own decoder reads them", () =>
    fc.assert(
      fc.property(
        record,
        fc.record({
          firstOffset: fc.oneof(fc.nat(), fc.maxSafeNat()).map(String),
          firstTimestamp: fc.oneof(fc.nat(), fc.maxSafeNat()).map(String),
          magicByte: fc.constant(2),
          isControlBatch: fc.boolean(),
          timestampType: fc.integer({ min: 0, max: 1 }),
          maxTimestamp: fc.nat().map(String),
          producerId: fc.nat().map(String),
        }),
        (one, context) => {
          const { decoders, encoders, Decoder } = records
          const all = new Decoder(encoders.theirs(one).buffer)
          all.readVarInt()
          const body = all.buffer.subarray(all.offset)
          const [ours, theirs] = [new Decoder(body), new Decoder(body)]
          assert.deepEqual(decoders.ours(ours, context), decoders.theirs(theirs, context))
          assert.equal(ours.offset, theirs.offset)
        },
      ),
      { numRuns: 1_000, seed: 1 },
    ))
})

describe('offsets of a register', () => {
  const asked = (groupId: string) => ({ groupId, topics: [] })
  /** Tells which version it was asked for. */
  const theirs: Definitions = {
    versions: ['1', '4'],
    protocol:
      ({ version }) =>
      () =>
        ({ request: { apiKey: 9, apiVersion: version }, response: {} }) as never,
  }
  const versionFor = (version: number, group: string) =>
    withStableOffsets(theirs, {} as never).protocol({ version })(asked(group)).request.apiVersion

  it('are asked for by a version that tells whether they are stable, or not at all', () => {
    assert.deepEqual(withStableOffsets(theirs, {} as never).versions, ['1', '4', '7'])
    assert.equal(versionFor(7, registerGroupOf('kindred')), 7)
    for (const version of [1, 4, 5, 6])
      assert.throws(() => versionFor(version, registerGroupOf('kindred')), /Kafka 2\.5.*at_least_once/)
    assert.deepEqual(
      [1, 4, 5, 6, 7].map((version) => versionFor(version, 'kindred')),
      [1, 4, 4, 4, 7],
    )
  })
})
