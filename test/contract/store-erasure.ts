// Contract of the store: quarantine, and what is kept of erased users.
import assert from 'node:assert/strict'
import type { QuarantinedRecord, Store } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'

export function erasureCases(open: fx.OpenStore): void {
  quarantineCases(open)
  tombstoneCases(open)
  scrubCases(open)
}

function quarantineCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const records = [
    recordOf({ bytes: Uint8Array.of(0, 255, 254, 0, 128) }),
    recordOf({ bytes: new Uint8Array(0), source: '__proto__', cause: '"\u0000 😀\n' }),
    recordOf({ bytes: new Uint8Array(300_000).fill(7), offset: Number.MAX_SAFE_INTEGER }),
    recordOf({ format: 'csv', envelope: JSON.stringify({ topic: 'orders', key: '\u0000😀', headers: [] }) }),
    recordOf({ offset: 4 }),
  ]
  const fill = (store: Store) => store.transact((tx) => records.map((record) => tx.addQuarantined(record)))
  const ids = (store: Store, from: number, limit: number) =>
    store.quarantinedRecords(from, limit).map(({ id }) => id)
  const plain = (record: QuarantinedRecord | undefined) =>
    record && { ...record, bytes: Uint8Array.from(record.bytes) }

  holds('keeps quarantined records with their bytes, by id', (store) => {
    assert.deepEqual(fill(store), [0, 1, 2, 3, 4])
    return (again) => {
      records.forEach((record, id) => {
        assert.deepEqual(plain(again.quarantinedRecord(id)), { id, ...record })
      })
      assert.deepEqual(
        again.quarantinedRecords(0, 100).map(plain),
        records.map((record, id) => ({ id, ...record })),
      )
      assert.deepEqual(
        [ids(again, 0, 2), ids(again, 2, 2), ids(again, 5, 9), ids(again, 0, 0)],
        [[0, 1], [2, 3], [], []],
      )
      assert.equal(again.quarantinedRecord(5), undefined)
      assert.deepEqual([again.counters().quarantined, again.counters().quarantineIds], [5, 5])
    }
  })

  holds('updates and removes them, and never gives an id again', (store) => {
    fill(store)
    const updated = { id: 1, ...recordOf({ cause: 'tried again', bytes: Uint8Array.of(1) }) }
    store.transact((tx) => {
      tx.updateQuarantined(updated)
      tx.removeQuarantined(0)
      tx.removeQuarantined(4)
      tx.removeQuarantined(4)
      tx.removeQuarantined(99)
      assert.equal(tx.quarantinedRecord(4), undefined)
    })
    return (again) => {
      assert.deepEqual(ids(again, 0, 100), [1, 2, 3])
      assert.deepEqual(plain(again.quarantinedRecord(1)), updated)
      assert.deepEqual([again.counters().quarantined, again.counters().quarantineIds], [3, 5])
      assert.equal(
        fx.undone(again, (tx) => tx.addQuarantined(records[0]!)),
        5,
      )
    }
  })

  holds('neither hands out nor keeps bytes that somebody else changes', (store) => {
    const bytes = Uint8Array.of(1, 2, 3)
    store.transact((tx) => {
      tx.addQuarantined(recordOf({ bytes }))
      tx.addQuarantined(recordOf({ bytes: Uint8Array.of(4, 5, 6) }))
      bytes.fill(9)
      assert.deepEqual([...tx.quarantinedRecord(0)!.bytes], [1, 2, 3])
    })
    return (again) => {
      const first = again.quarantinedRecord(0)!
      again.quarantinedRecords(0, 10)
      again.quarantinedRecord(1)
      assert.deepEqual([...first.bytes], [1, 2, 3])
      first.bytes.fill(8)
      assert.deepEqual([...again.quarantinedRecord(0)!.bytes], [1, 2, 3])
    }
  })
}

function recordOf(overrides: Partial<QuarantinedRecord>): Omit<QuarantinedRecord, 'id'> {
  return {
    source: 'file',
    offset: 3,
    format: 'ndjson',
    cause: 'user_id is missing',
    bytes: Uint8Array.of(123),
    ...overrides,
  }
}

function tombstoneCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('keeps a tombstone a user, the latest', (store) => {
    const watermarks = Object.fromEntries(fx.oddIds.map((name, i) => [name, i]))
    const entries = (watermark: Readonly<Record<string, number>>) => Object.entries(watermark).sort()
    store.transact((tx) => {
      assert.equal(tx.tombstoneCount(), 0)
      fx.oddIds.forEach((id, position) => void tx.putTombstone(id, { position, watermarks: {} }))
      assert.deepEqual([tx.tombstoneCount(), tx.tombstone(fx.oddIds[1]!)?.position], [fx.oddIds.length, 1])
    })
    store.transact((tx) => tx.putTombstone('__proto__', { position: 2 ** 40, watermarks }))
    fx.undone(store, (tx) => {
      tx.putTombstone('undone', { position: 1, watermarks })
      assert.equal(tx.tombstoneCount(), fx.oddIds.length + 1)
    })
    return (again) => {
      fx.oddIds.forEach((id, i) => {
        const tombstone = again.tombstone(id)
        assert.equal(tombstone?.position, id === '__proto__' ? 2 ** 40 : i, JSON.stringify(id))
        assert.deepEqual(entries(tombstone.watermarks), id === '__proto__' ? entries(watermarks) : [])
      })
      assert.deepEqual([again.tombstone('undone'), again.tombstone('b')], [undefined, undefined])
      assert.equal(again.tombstoneCount(), fx.oddIds.length)
    }
  })
}

function scrubCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)
  const scrubsOf = (store: Store) => store.scrubs().map(({ scrub }) => ({ ...scrub }))

  holds('keeps scrubs until they are removed', (store) => {
    for (const [n, userId] of ['a', '\u0000', '😀'].entries())
      store.transact((tx) => {
        tx.count.position = n + 1
        tx.addScrub({ userId, before: n })
      })
    const [, second] = store.scrubs()
    store.transact((tx) => tx.removeScrub(second!.id))
    return (again) => {
      assert.deepEqual(scrubsOf(again), [
        { userId: 'a', before: 0 },
        { userId: '😀', before: 2 },
      ])
      assert.equal(new Set(again.scrubs().map(({ id }) => id)).size, 2)
      for (const { id } of again.scrubs()) again.transact((tx) => tx.removeScrub(id))
      assert.deepEqual(again.scrubs(), [])
      again.transact((tx) => {
        tx.count.position = 10
        tx.addScrub({ userId: 'a', before: 0 })
      })
      again.transact((tx) => {
        tx.count.position = 11
        tx.addScrub({ userId: '😀', before: 2 })
      })
    }
  })

  holds('keeps two scrubs of one position', (store) => {
    store.transact((tx) => {
      tx.addScrub({ userId: 'a', before: 1 })
      tx.addScrub({ userId: 'b', before: 2 })
    })
    store.transact((tx) => tx.addScrub({ userId: 'c', before: 3 }))
    return (again) =>
      assert.deepEqual(
        scrubsOf(again).map(({ userId }) => userId),
        ['a', 'b', 'c'],
      )
  })
}
