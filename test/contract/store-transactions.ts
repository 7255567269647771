// Contract of the store: a transaction is applied whole or not at all, and sees its own writes.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Store } from '../../src/store/port.ts'
import { dumpOf } from './store-dump.ts'
import * as fx from './store-fixtures.ts'
import { type Batch, batchesArbitrary, everyOperation, runOperations } from './store-operations.ts'

export function transactionCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('returns what the change returns', (store) => {
    const answer = store.transact((tx) => tx.userIndexOf('nobody') ?? 42)
    assert.equal(answer, 42)
    return (again) => assert.equal(again.counters().users, 0)
  })

  it('resolves `flushed` with and without commits', () =>
    fx.withStore(open, async ({ store }) => {
      await store.flushed()
      fx.addNodes(store, { users: 1, products: 1 })
      await store.flushed()
      assert.equal(store.counters().users, 1)
    }))

  holds('throws on what the change threw, and works on', (store) => {
    const problem = new Error('thrown inside')
    assert.throws(
      () =>
        store.transact((tx) => {
          fx.addUser(tx, 'gone')
          tx.count.streamTs = 5
          throw problem
        }),
      (error) => error === problem,
    )
    store.transact((tx) => fx.addUser(tx, 'stays'))
    return (again) => {
      assert.deepEqual([again.userIndexOf('gone'), again.userIndexOf('stays')], [undefined, 0])
      assert.deepEqual([again.counters().users, again.counters().streamTs], [1, -1])
    }
  })

  holds('keeps the counters that callers set', (store) => {
    store.transact((tx) => {
      tx.count.position = Number.MAX_SAFE_INTEGER
      tx.count.streamTs = 4_000_000_000_000
      tx.count.version = 3
      tx.count.rewalks += 2 ** 40
      assert.equal(tx.counters().rewalks, 2 ** 40)
    })
    return (again) => {
      const { position, streamTs, version, rewalks } = again.counters()
      assert.deepEqual(
        [position, streamTs, version, rewalks],
        [Number.MAX_SAFE_INTEGER, 4_000_000_000_000, 3, 2 ** 40],
      )
    }
  })

  holds('undoes every kind of write, on an empty store and on a full one', (store) => {
    const empty = dumpOf(store)
    fx.undone(store, (tx) => runOperations(tx, everyOperation))
    assert.deepEqual(dumpOf(store), empty)
    store.transact((tx) => runOperations(tx, everyOperation))
    const full = dumpOf(store)
    const other = everyOperation.map(({ kind, a, b, c }) => ({ kind, a: a + 1, b: b + 2, c: c + 1 }))
    fx.undone(store, (tx) => runOperations(tx, [...other, ...everyOperation].reverse()))
    return (again) => assert.deepEqual(dumpOf(again), full)
  })

  it('shows inside what is there after; undoes without a trace; answers the same again; survives a restart', () =>
    fc.assert(
      fc.asyncProperty(batchesArbitrary, (batches) =>
        fx.withStore(open, async (opened) => {
          for (const batch of batches) runBatch(opened.store, batch)
          const last = dumpOf(opened.store)
          await fx.holdsNowAndReopened(opened, (store) => assert.deepEqual(dumpOf(store), last))
        }),
      ),
      { numRuns: 25 },
    ))
}

function runBatch(store: Store, { all, undo }: Batch): void {
  const before = dumpOf(store)
  const first = fx.undone(store, (tx) => ({ answers: runOperations(tx, all), inside: dumpOf(tx) }))
  assert.deepEqual(dumpOf(store), before, 'undone')
  if (undo) return
  const second = store.transact((tx) => ({ answers: runOperations(tx, all), inside: dumpOf(tx) }))
  assert.deepEqual(second, first, 'the same again')
  assert.deepEqual(dumpOf(store), second.inside, 'as seen inside')
}
