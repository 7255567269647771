// What is put in the place of kafkajs's filter, against a model: transactions of several producers, one within another,
// committed or aborted, fetched from anywhere.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { withoutAborted } from '../../src/kafka/kafkajs.ts'

/** What a producer does next: 0 sends within a transaction, 1 sends outside of one, 2 commits, 3 aborts. */
const action = fc.record({ producer: fc.integer({ min: 1, max: 4 }), does: fc.integer({ min: 0, max: 3 }) })

type Record = {
  readonly offset: string
  readonly key: Buffer | null
  readonly isControlRecord: boolean
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean }
}
type Log = {
  readonly records: readonly Record[]
  /** Offsets of records of transactions that were aborted. */
  readonly aborted: ReadonlySet<number>
  readonly transactions: readonly { firstOffset: number; lastOffset: number; producerId: string }[]
}

/** A partition's log: every transaction has ended, as it has below the last stable offset. */
function logOf(actions: readonly { producer: number; does: number }[]): Log {
  const records: Record[] = []
  const open = new Map<number, number[]>()
  const aborted = new Set<number>()
  const transactions: { firstOffset: number; lastOffset: number; producerId: string }[] = []
  const add = (producer: number, { inTransaction = false, key = null as Buffer | null } = {}) => {
    const offset = records.length
    records.push({
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
  return { records, aborted, transactions }
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
