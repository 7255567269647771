// Contract of the store: where the stream stands: watermarks, commit journal, change rows, sink cursors.
import assert from 'node:assert/strict'
import type { UserIndex } from '../../src/core/ids.ts'
import type { Store, StoreWriter } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'

export function streamCases(open: fx.OpenStore): void {
  watermarkCases(open)
  journalCases(open)
  changeCases(open)
}

function watermarkCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('keeps a watermark a source, 0 before the first', (store) => {
    store.transact((tx) => {
      fx.oddIds.forEach((name, i) => void tx.setWatermark(name, i))
      assert.equal(tx.watermark(fx.oddIds[3]!), 3)
      tx.setWatermark(fx.oddIds[3]!, Number.MAX_SAFE_INTEGER)
    })
    const wanted = fx.oddIds.map((name, i) => [name, i === 3 ? Number.MAX_SAFE_INTEGER : i] as const)
    const byName = (a: readonly [string, number], b: readonly [string, number]) => (a[0] < b[0] ? -1 : 1)
    return (again) => {
      for (const [name, next] of wanted) assert.equal(again.watermark(name), next, JSON.stringify(name))
      assert.equal(again.watermark('unknown'), 0)
      assert.deepEqual(Object.entries(again.watermarks()).sort(byName), [...wanted].sort(byName))
    }
  })

  holds('keeps a cursor a sink', (store) => {
    store.transact((tx) => {
      tx.setSinkCursor('__proto__', { next: 3 })
      tx.setSinkCursor('webhook https://example.org/?a=😀', { next: Number.MAX_SAFE_INTEGER })
      assert.deepEqual({ ...tx.sinkCursor('__proto__') }, { next: 3 })
      tx.setSinkCursor('__proto__', { next: 4 })
    })
    return (again) => {
      assert.deepEqual({ ...again.sinkCursor('__proto__') }, { next: 4 })
      assert.deepEqual(
        { ...again.sinkCursor('webhook https://example.org/?a=😀') },
        { next: Number.MAX_SAFE_INTEGER },
      )
      assert.equal(again.sinkCursor('constructor'), undefined)
    }
  })

  holds('lists the sinks by name, and forgets one that is dropped', (store) => {
    const byName = (reader: Store) => reader.sinkCursors().toSorted((a, b) => (a.name < b.name ? -1 : 1))
    assert.deepEqual(byName(store), [])
    store.transact((tx) => {
      tx.setSinkCursor('b', { next: 2 })
      tx.setSinkCursor('__proto__', { next: 1 })
      tx.setSinkCursor('a', { next: 0 })
      tx.dropSinkCursor('never there')
    })
    fx.undone(store, (tx) => tx.dropSinkCursor('a'))
    store.transact((tx) => {
      tx.dropSinkCursor('b')
      assert.equal(tx.sinkCursor('b'), undefined)
    })
    return (again) => {
      assert.deepEqual(byName(again), [
        { name: '__proto__', next: 1 },
        { name: 'a', next: 0 },
      ])
      assert.equal(again.sinkCursor('b'), undefined)
    }
  })
}

function journalCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const add = (store: Store, [source, from, to, position]: readonly [string, number, number, number]) =>
    store.transact((tx) => tx.addJournal({ source, from, to, position }))
  const read = (store: Store) =>
    [...store.journal()].map(({ source, from, to, position }) => [source, from, to, position])

  holds('extends the last entry where the same source goes on, and begins a new one elsewhere', (store) => {
    assert.deepEqual(read(store), [])
    add(store, ['a', 0, 5, 0])
    add(store, ['a', 5, 7, 5])
    add(store, ['b', 7, 9, 7])
    add(store, ['a', 7, 8, 9])
    add(store, ['a', 9, 10, 10])
    store.transact((tx) => {
      tx.addJournal({ source: 'a', from: 10, to: 11, position: 11 })
      tx.addJournal({ source: 'a', from: 11, to: 20, position: 12 })
      tx.addJournal({ source: '__proto__', from: 0, to: 1, position: 21 })
    })
    const wanted = [
      ['a', 0, 7, 0],
      ['b', 7, 9, 7],
      ['a', 7, 8, 9],
      ['a', 9, 20, 10],
      ['__proto__', 0, 1, 21],
    ]
    return (again) => {
      assert.deepEqual(read(again), wanted)
      const added = fx.undone(again, (tx) => {
        tx.addJournal({ source: '__proto__', from: 1, to: 4, position: 22 })
        return [...tx.journal()].at(-1)
      })
      assert.deepEqual({ ...added }, { source: '__proto__', from: 0, to: 4, position: 21 })
      assert.deepEqual(read(again), wanted)
    }
  })

  holds('keeps hundreds of entries in order', (store) => {
    const wanted = Array.from({ length: 700 }, (_, i) => [`source ${i % 3}`, i, i + 1, i] as const)
    store.transact((tx) => {
      for (const [source, from, to, position] of wanted) tx.addJournal({ source, from, to, position })
    })
    return (again) => assert.deepEqual(read(again), wanted)
  })
}

function changeCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const add = (tx: StoreWriter, from: number, to: number) => {
    for (let n = from; n < to; n++) tx.addChange((n % 3) as UserIndex, JSON.stringify({ n }))
  }
  const numbers = (store: Store, from: number, limit: number) =>
    store.changes(from, limit).map(({ number }) => number)

  holds('numbers change rows from 0 and hands them out in pages', (store) => {
    store.transact((tx) => {
      add(tx, 0, 4)
      assert.deepEqual(tx.changes(3, 9), [{ number: 3, userIndex: 0, json: '{"n":3}' }])
    })
    const long = JSON.stringify({ text: '😀\u0000'.repeat(20_000) })
    store.transact((tx) => {
      add(tx, 4, 10)
      tx.addChange(2 as UserIndex, long)
    })
    return (again) => {
      assert.deepEqual(numbers(again, 0, 4), [0, 1, 2, 3])
      assert.deepEqual(numbers(again, 4, 100), [4, 5, 6, 7, 8, 9, 10])
      assert.deepEqual([again.changes(11, 5), again.changes(0, 0)], [[], []])
      assert.deepEqual(again.changes(10, 1), [{ number: 10, userIndex: 2, json: long }])
      assert.deepEqual(again.changes(5, 1), [{ number: 5, userIndex: 2, json: '{"n":5}' }])
      assert.equal(again.counters().changes, 11)
    }
  })

  holds('trims from the front and goes on numbering, even when nothing is left', (store) => {
    store.transact((tx) => add(tx, 0, 2000))
    assert.equal(store.changesBegin(), 0)
    fx.undone(store, (tx) => tx.trimChanges(1000))
    store.transact((tx) => tx.trimChanges(1990))
    assert.equal(store.changesBegin(), 1990)
    store.transact((tx) => tx.trimChanges(1980))
    assert.deepEqual(numbers(store, 0, 3), [1990, 1991, 1992])
    assert.deepEqual(numbers(store, 1995, 100), [1995, 1996, 1997, 1998, 1999])
    store.transact((tx) => tx.trimChanges(2000))
    assert.deepEqual(numbers(store, 0, 10), [])
    return (again) => {
      assert.equal(again.changesBegin(), 2000)
      assert.deepEqual([numbers(again, 0, 10), numbers(again, 2000, 10)], [[], []])
      assert.deepEqual(
        fx.undone(again, (tx) => {
          add(tx, 2000, 2002)
          return tx.changes(0, 10).map(({ number }) => number)
        }),
        [2000, 2001],
      )
      assert.equal(again.counters().changes, 2000)
    }
  })

  holds('removes one user’s rows and leaves the numbers of the others', (store) => {
    store.transact((tx) => add(tx, 0, 10))
    store.transact((tx) => {
      tx.addChange(1 as UserIndex, 'to be removed with the rest')
      tx.removeChangesOf(1 as UserIndex)
      tx.removeChangesOf(77 as UserIndex)
    })
    return (again) => {
      assert.deepEqual(numbers(again, 0, 100), [0, 2, 3, 5, 6, 8, 9])
      assert.deepEqual(
        [numbers(again, 1, 2), numbers(again, 4, 1), numbers(again, 7, 3)],
        [[2, 3], [5], [8, 9]],
      )
      assert.equal(again.counters().changes, 11)
    }
  })
}
