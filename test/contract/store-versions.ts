// Contract of the store: prototype-set versions, labels, product vectors, and the import that waits for its switch.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { ProductIndex, UserIndex } from '../../src/core/ids.ts'
import { personasMax, publishedOne, shareOne } from '../../src/core/limits.ts'
import type { ShareList } from '../../src/core/prototype.ts'
import type { StoreReader, VectorRow } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'

const user = (index: number) => index as UserIndex
const product = (index: number) => index as ProductIndex
const shares = (persona: number): ShareList => [
  { persona, share: shareOne - 1 },
  { persona: personasMax - 1, share: 1 },
]
const whole: ShareList = [{ persona: 0, share: shareOne }]
const labelsOf = (reader: StoreReader, version: number) => [...reader.labels(version)]

export function versionCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('keeps versions', (store) => {
    store.transact((tx) => {
      tx.putVersion(fx.versionOf(1))
      tx.putVersion({ ...fx.versionOf(2), hash: 'replaced' })
      tx.putVersion(fx.versionOf(2))
      tx.count.version = 2
    })
    return (again) => {
      assert.deepEqual(
        [0, 1, 2, 3].map((version) => again.version(version)),
        [undefined, fx.versionOf(1), fx.versionOf(2), undefined],
      )
      assert.equal(again.counters().version, 2)
    }
  })

  holds('keeps labels by version, ascending by user', (store) => {
    const { users } = fx.addNodes(store, { users: 400, products: 0 })
    store.transact((tx) => {
      for (const index of [300, 2, 0, 255, 256, 399]) tx.putLabels(1, users[index]!, shares(index % 250))
      tx.putLabels(2, users[1]!, whole)
      tx.putLabels(1, users[2]!, whole)
    })
    store.transact((tx) => tx.dropLabels(1, users[255]!))
    store.transact((tx) => tx.dropLabels(2, users[399]!))
    return (again) => {
      assert.deepEqual(labelsOf(again, 1), [
        { userIndex: 0, shares: shares(0) },
        { userIndex: 2, shares: whole },
        { userIndex: 256, shares: shares(6) },
        { userIndex: 300, shares: shares(50) },
        { userIndex: 399, shares: shares(149) },
      ])
      assert.deepEqual(labelsOf(again, 2), [{ userIndex: 1, shares: whole }])
      assert.deepEqual(labelsOf(again, 3), [])
    }
  })

  it('keeps vectors exactly, up to 2⁵³', () =>
    fx.withStore(open, async (opened) => {
      const rows = fc.sample(vectorArbitrary, { numRuns: 60, seed: 1 })
      const { products } = fx.addNodes(opened.store, { users: 0, products: rows.length })
      opened.store.transact((tx) =>
        rows.forEach((row, i) => void tx.putVector((i % 2) + 1, products[i]!, row)),
      )
      await fx.holdsNowAndReopened(opened, (store) =>
        rows.forEach((row, i) => {
          assert.deepEqual(store.vector((i % 2) + 1, products[i]!), row)
          assert.equal(store.vector(2 - (i % 2), products[i]!), undefined)
        }),
      )
    }))

  holds('drops the vectors and labels of one version alone, and keeps its names', (store) => {
    const { users, products } = fx.addNodes(store, { users: 2, products: 300 })
    store.transact((tx) => {
      for (const version of [1, 2, 3]) {
        tx.putVersion(fx.versionOf(version))
        for (const index of users) tx.putLabels(version, index, whole)
        for (const index of products) tx.putVector(version, index, vectorOf(version + index))
      }
    })
    store.transact((tx) => {
      tx.dropVersion(2)
      assert.deepEqual([tx.vector(2, products[0]!), labelsOf(tx, 2)], [undefined, []])
      tx.putVector(2, products[7]!, vectorOf(7))
    })
    return (again) => {
      assert.deepEqual(again.version(2), fx.versionOf(2))
      assert.deepEqual(
        [1, 2, 3].map((version) => labelsOf(again, version).length),
        [2, 0, 2],
      )
      for (const index of products) {
        assert.deepEqual(again.vector(1, index), vectorOf(1 + index))
        assert.deepEqual(again.vector(2, index), index === 7 ? vectorOf(7) : undefined)
        assert.deepEqual(again.vector(3, index), vectorOf(3 + index))
      }
    }
  })

  holds('neither hands out nor keeps vectors that somebody else changes', (store) => {
    fx.addNodes(store, { users: 1, products: 2 })
    const given = vectorOf(3)
    store.transact((tx) => {
      tx.putVector(1, product(0), given)
      tx.putVector(1, product(1), vectorOf(4))
      tx.putLabels(1, user(0), whole)
      given.b.fill(9)
      given.published.fill(9)
      given.mass = 9
      assert.deepEqual(tx.vector(1, product(0)), vectorOf(3))
    })
    return (again) => {
      const row = again.vector(1, product(0))!
      again.vector(1, product(1))
      assert.deepEqual(row, vectorOf(3))
      row.b.fill(8)
      row.published.fill(8)
      row.mass = row.publishedAt = 8
      assert.deepEqual(again.vector(1, product(0)), vectorOf(3))
    }
  })

  holds('keeps a pending import with its labels in the order given', (store) => {
    const names = [...fx.oddIds, ...Array.from({ length: 400 }, (_, i) => `user ${(i * 7919) % 400}`)]
    const given = names.map((name, i) => ({
      userId: fx.userId(name),
      shares: i % 2 === 0 ? whole : shares(i % 200),
    }))
    store.transact((tx) => {
      tx.putPendingImport({ version: fx.versionOf(4), at: undefined }, [
        { userId: fx.userId('gone'), shares: whole },
      ])
      tx.putPendingImport({ version: fx.versionOf(5), at: 12 }, given.values())
    })
    const dropped = [fx.oddIds[0]!, '__proto__', 'user 399', 'user 0', 'never there']
    store.transact((tx) => {
      for (const name of dropped) tx.dropPendingLabel(name)
    })
    return (again) => {
      assert.deepEqual(again.pendingImport(), { version: fx.versionOf(5), at: 12 })
      assert.deepEqual(
        [...again.pendingLabels()],
        given.filter(({ userId }) => !dropped.includes(userId)),
      )
    }
  })

  holds('keeps a pending import without a time, and drops it without touching versions', (store) => {
    fx.addNodes(store, { users: 1, products: 0 })
    const pending = { version: fx.versionOf(2), at: undefined }
    store.transact((tx) => {
      assert.deepEqual([tx.pendingImport(), [...tx.pendingLabels()]], [undefined, []])
      tx.putVersion(fx.versionOf(1))
      tx.putLabels(1, user(0), whole)
      tx.putPendingImport(pending, [{ userId: fx.userId('a'), shares: whole }])
      assert.equal([...tx.pendingLabels()].length, 1)
    })
    assert.deepEqual(
      [store.pendingImport()?.version, store.pendingImport()?.at],
      [pending.version, undefined],
    )
    store.transact((tx) => tx.dropPendingImport())
    return (again) => {
      assert.deepEqual([again.pendingImport(), [...again.pendingLabels()]], [undefined, []])
      assert.deepEqual(
        [again.version(1), labelsOf(again, 1)],
        [fx.versionOf(1), [{ userIndex: 0, shares: whole }]],
      )
    }
  })
}

const safe = fc.oneof(fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER, 2 ** 52 + 1), fc.maxSafeNat())

const vectorArbitrary: fc.Arbitrary<VectorRow> = fc
  .tuple(
    fc.integer({ min: 1, max: personasMax }),
    fc.array(safe, { minLength: personasMax, maxLength: personasMax }),
    safe,
    safe,
  )
  .map(([personas, values, mass, publishedAt]) => ({
    mass,
    b: Float64Array.from(values.slice(0, personas)),
    published: Float64Array.from(values.slice(0, personas), (value) => value % (publishedOne + 1)),
    publishedAt,
  }))

function vectorOf(seed: number): VectorRow {
  return {
    mass: seed,
    b: Float64Array.of(seed * 2 ** 20, 1),
    published: Float64Array.of(seed, publishedOne),
    publishedAt: seed + 1,
  }
}
