// Contract of the store: what consuming topics and sending to them needs: writer schemas, erasures that sinks are told of,
// cursors that say what they count, a journal that does not grow.
import assert from 'node:assert/strict'
import type { Store, StoreWriter } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'

export function topicCases(open: fx.OpenStore): void {
  schemaCases(open)
  trimmedJournalCases(open)
  erasureRowCases(open)
  cursorCases(open)
}

function schemaCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const long = JSON.stringify({ type: 'record', doc: '😀\u0000'.repeat(100_000) })

  holds('keeps a writer schema by its key, whatever either holds, the latest', (store) => {
    store.transact((tx) => {
      for (const [n, key] of fx.oddIds.entries()) {
        assert.equal(tx.schema(key), undefined)
        tx.putSchema(key, `"schema ${n}"`)
        assert.equal(tx.schema(key), `"schema ${n}"`)
      }
      tx.putSchema('http://registry/a?b#7', long)
    })
    fx.undone(store, (tx) => {
      tx.putSchema('undone', '"int"')
      tx.putSchema(fx.oddIds[2]!, '"int"')
      assert.equal(tx.schema('undone'), '"int"')
    })
    assert.equal(store.schema('undone'), undefined)
    store.transact((tx) => tx.putSchema(fx.oddIds[4]!, '"long"'))
    return (again) => {
      for (const [n, key] of fx.oddIds.entries())
        assert.equal(again.schema(key), n === 4 ? '"long"' : `"schema ${n}"`, JSON.stringify(key))
      assert.equal(again.schema('http://registry/a?b#7'), long)
      assert.deepEqual(
        [again.schema('undone'), again.schema('http://registry/a?b#70')],
        [undefined, undefined],
      )
    }
  })
}

function trimmedJournalCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const read = (store: Store | StoreWriter) =>
    [...store.journal()].map(({ source, from, to, position }) => [source, from, to, position])
  const add = (tx: StoreWriter, n: number) =>
    tx.addJournal({ source: `source ${n % 2}`, from: n, to: n + 1, position: n })

  holds('keeps the newest of the journal, and extends the last as before', (store) => {
    for (let n = 0; n < 10; n++) store.transact((tx) => add(tx, n))
    store.transact((tx) => tx.trimJournal(100))
    assert.equal(read(store).length, 10)
    fx.undone(store, (tx) => {
      tx.trimJournal(2)
      add(tx, 10)
      tx.trimJournal(0)
      add(tx, 11)
      assert.deepEqual(read(tx), [['source 1', 11, 12, 11]])
    })
    assert.equal(read(store).length, 10)
    store.transact((tx) => {
      tx.trimJournal(2)
      assert.deepEqual(
        read(tx).map(([, from]) => from),
        [8, 9],
      )
      tx.addJournal({ source: 'source 1', from: 10, to: 20, position: 10 })
    })
    return (again) =>
      assert.deepEqual(read(again), [
        ['source 0', 8, 9, 8],
        ['source 1', 9, 20, 9],
      ])
  })

  holds('begins anew after all of it is gone, and never extends what is gone', (store) => {
    store.transact((tx) => {
      add(tx, 0)
      tx.trimJournal(0)
      assert.deepEqual(read(tx), [])
    })
    store.transact((tx) => {
      tx.addJournal({ source: 'source 0', from: 1, to: 2, position: 1 })
      add(tx, 3)
      tx.trimJournal(1)
    })
    return (again) => {
      assert.deepEqual(read(again), [['source 1', 3, 4, 3]])
      fx.undone(again, (tx) => tx.trimJournal(0))
      assert.deepEqual(read(again), [['source 1', 3, 4, 3]])
    }
  })
}

function erasureRowCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const rows = (store: Store | StoreWriter, from = 0, before = 1_000) =>
    store.erasures(from, before).map(({ number, userId }) => [number, userId])

  holds('numbers erasures among the change rows, and hands out those of a range', (store) => {
    store.transact((tx) => {
      tx.addErasure('first')
      tx.addChange(0 as never, '{"n":1}')
      tx.addErasure(fx.oddIds[0]!)
      tx.addErasure('first')
      assert.equal(tx.count.changes, 4)
      assert.deepEqual(rows(tx, 2), [
        [2, fx.oddIds[0]],
        [3, 'first'],
      ])
    })
    store.transact((tx) => {
      tx.addChange(0 as never, '{"n":4}')
      for (const id of fx.oddIds) tx.addErasure(id)
    })
    fx.undone(store, (tx) => tx.addErasure('undone'))
    return (again) => {
      assert.equal(again.counters().changes, 5 + fx.oddIds.length)
      assert.deepEqual(
        rows(again, 5),
        fx.oddIds.map((id, n) => [5 + n, id]),
      )
      assert.deepEqual(rows(again, 0, 2), [[0, 'first']])
      assert.deepEqual(rows(again, 3, 4), [[3, 'first']])
      assert.deepEqual([rows(again, 1, 2), rows(again, 3, 3), rows(again, 900)], [[], [], []])
      assert.deepEqual(
        again.changes(0, 100).map(({ number }) => number),
        [1, 4],
      )
    }
  })

  holds('drops erasures below a number, and leaves change rows and numbers', (store) => {
    store.transact((tx) => {
      for (const id of ['a', 'b', 'c']) {
        tx.addErasure(id)
        tx.addChange(1 as never, '{}')
      }
    })
    fx.undone(store, (tx) => {
      tx.trimErasures(100)
      assert.deepEqual(rows(tx), [])
    })
    store.transact((tx) => {
      tx.trimErasures(2)
      tx.trimChanges(5)
      tx.removeChangesOf(7 as never)
    })
    return (again) => {
      assert.deepEqual(rows(again), [
        [2, 'b'],
        [4, 'c'],
      ])
      assert.deepEqual(
        again.changes(0, 100).map(({ number }) => number),
        [5],
      )
      assert.equal(again.counters().changes, 6)
      assert.deepEqual(
        fx.undone(again, (tx) => {
          tx.trimErasures(6)
          tx.addErasure('d')
          return rows(tx)
        }),
        [[6, 'd']],
      )
    }
  })
}

function cursorCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('keeps what a cursor counts, and whether its sink wants erasures', (store) => {
    const cursors = [
      { name: 'changes.ndjson', next: 7 },
      { name: 'kafka:changes', next: 3, erasures: true },
      { name: 'kafka:dead-letters', next: 9, feed: 'quarantine' as const },
    ]
    store.transact((tx) => {
      for (const { name, ...cursor } of cursors) tx.setSinkCursor(name, cursor)
      tx.setSinkCursor('turns', { next: 1, feed: 'quarantine', erasures: true })
      tx.setSinkCursor('turns', { next: 2 })
    })
    fx.undone(store, (tx) => {
      tx.setSinkCursor('kafka:changes', { next: 4 })
      tx.setSinkCursor('changes.ndjson', { next: 8, erasures: true })
      assert.deepEqual({ ...tx.sinkCursor('kafka:changes') }, { next: 4 })
    })
    return (again) => {
      assert.deepEqual(
        again.sinkCursors().toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        [...cursors, { name: 'turns', next: 2 }],
      )
      for (const { name, ...cursor } of cursors) assert.deepEqual({ ...again.sinkCursor(name) }, cursor)
    }
  })
}
