// Contract of the store: users and products, their ids, rows and indices.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { UserIndex } from '../../src/core/ids.ts'
import { tsMax, userWeightMax } from '../../src/core/limits.ts'
import { methods, statuses } from '../../src/core/persona.ts'
import type { UserRow } from '../../src/store/port.ts'
import { emptyCounters } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'

export function nodeCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('an empty store knows nobody and nothing', () => (store) => {
    assert.deepEqual({ ...store.counters() }, emptyCounters())
    assert.deepEqual([[...store.users()], [...store.products()]], [[], []])
    assert.equal(store.userIndexOf('a'), undefined)
    assert.equal(store.productIndexOf('__proto__'), undefined)
    assert.equal(store.user(0 as UserIndex), undefined)
  })

  holds('gives indices in order, one a user and product, and counts them', (store) => {
    const { users, products } = fx.addNodes(store, { users: 5, products: 3 })
    assert.deepEqual(
      [users, products],
      [
        [0, 1, 2, 3, 4],
        [0, 1, 2],
      ],
    )
    const later = store.transact((tx) => [fx.addUser(tx, 'later'), tx.addProduct(fx.productRow('later'))])
    assert.deepEqual(later, [5, 3])
    return (again) => {
      const { users: known, userIndices, products: seen, productIndices } = again.counters()
      assert.deepEqual([known, userIndices, seen, productIndices], [6, 6, 4, 4])
      assert.deepEqual(
        [[...again.users()], [...again.products()]],
        [
          [0, 1, 2, 3, 4, 5],
          [0, 1, 2, 3],
        ],
      )
      assert.deepEqual([again.userIndexOf('later'), again.productIndexOf('later')], [5, 3])
    }
  })

  holds('lists more users and products than fit one page, ascending', (store) => {
    fx.addNodes(store, { users: 1500, products: 1200 })
    return (again) => {
      assert.deepEqual([...again.users()], [...Array(1500).keys()])
      assert.deepEqual([...again.products()], [...Array(1200).keys()])
      for (const user of again.users()) assert.equal(again.userIndexOf(again.user(user)!.userId), user)
    }
  })

  holds('keeps odd ids apart, byte for byte', (store) => {
    store.transact((tx) => {
      for (const id of fx.oddIds) fx.addUser(tx, id)
      for (const id of fx.oddIds) tx.addProduct(fx.productRow(id, id))
    })
    return (again) =>
      fx.oddIds.forEach((id, index) => {
        assert.equal(again.userIndexOf(id), index, JSON.stringify(id))
        assert.equal(again.productIndexOf(id), index, JSON.stringify(id))
        const user = again.userIndexOf(id)!
        assert.equal(again.user(user)?.userId, id)
        assert.deepEqual({ ...again.product(again.productIndexOf(id)!) }, fx.productRow(id, id))
      })
  })

  it('keeps any set of ids apart', () =>
    fx.withStore(open, async ({ store }) => {
      const ids = fc.uniqueArray(anyId, { maxLength: 40 })
      fc.assert(
        fc.property(ids, (all) => {
          fx.undone(store, (tx) => {
            const half = all.filter((_, i) => i % 2 === 0)
            const indices = new Map(half.map((id) => [id, fx.addUser(tx, id)]))
            for (const id of all) assert.equal(tx.userIndexOf(id), indices.get(id))
          })
        }),
        { numRuns: 50 },
      )
    }))

  holds('does not know what cannot be an id: empty, or longer than ids are', (store) => {
    fx.addNodes(store, { users: 1, products: 1 })
    return (again) => {
      for (const id of ['', 'x'.repeat(257), 'x'.repeat(2_000), 'x'.repeat(5_000), '漢'.repeat(100_000)]) {
        assert.equal(again.userIndexOf(id), undefined, `${id.length}`)
        assert.equal(again.productIndexOf(id), undefined, `${id.length}`)
        assert.equal(again.tombstone(id), undefined, `${id.length}`)
        again.transact((tx) => assert.equal(tx.userIndexOf(id), undefined, `${id.length}`))
      }
    }
  })

  holds('does not take a lone surrogate for the replacement character', (store) => {
    store.transact((tx) => {
      fx.addUser(tx, '\uFFFD')
      tx.addProduct(fx.productRow('\uFFFD'))
      tx.putTombstone('\uFFFD', { position: 1, watermarks: {} })
    })
    return (again) => {
      assert.equal(again.userIndexOf('\uD800'), undefined)
      assert.equal(again.productIndexOf('\uD800'), undefined)
      assert.equal(again.tombstone('\uD800'), undefined)
    }
  })

  it('keeps user rows exactly', () => roundTrip(open, userRowArbitrary))

  it('keeps the half width of a sampled answer exactly', () =>
    roundTrip(
      open,
      fc
        .double({ min: 0, max: 1, noNaN: true })
        .map((halfWidth) => fx.userRow('u', { method: 'sampled', halfWidth })),
    ))

  holds('keeps and replaces product rows, with titles missing or odd', (store) => {
    const rows = [
      fx.productRow('p'),
      { productId: fx.productId('q'), title: '', category: '' },
      { productId: fx.productId('r'), title: '\u0000"\\\u2028 \uD800 😀', category: 'x'.repeat(512) },
    ]
    const product = store.transact((tx) => rows.map((row) => tx.addProduct(row)))
    store.transact((tx) => tx.putProduct(product[0]!, { ...rows[0]!, title: 'named later' }))
    rows[0] = { ...rows[0]!, title: 'named later' }
    return (again) => {
      assert.deepEqual(
        product.map((index) => ({ ...again.product(index) })),
        rows,
      )
      assert.equal(again.counters().products, 3)
    }
  })

  holds('forgets a removed user, and never gives the index again', (store) => {
    const { users } = fx.addNodes(store, { users: 3, products: 0 })
    store.transact((tx) => tx.removeUser(users[2]!))
    store.transact((tx) => tx.removeUser(users[0]!))
    const again = store.transact((tx) => fx.addUser(tx, 'user 0'))
    assert.equal(again, 3)
    return (reopened) => {
      assert.deepEqual([...reopened.users()], [1, 3])
      assert.deepEqual([reopened.userIndexOf('user 0'), reopened.userIndexOf('user 2')], [3, undefined])
      assert.deepEqual([reopened.user(users[0]!), reopened.user(users[2]!)], [undefined, undefined])
      assert.deepEqual([reopened.counters().users, reopened.counters().userIndices], [2, 4])
      assert.equal(
        fx.undone(reopened, (tx) => fx.addUser(tx, 'user 2')),
        4,
      )
    }
  })

  holds('forgets and knows again within one transaction', (store) => {
    const added = store.transact((tx) => {
      const first = fx.addUser(tx, 'a')
      tx.removeUser(first)
      assert.deepEqual([tx.userIndexOf('a'), [...tx.users()]], [undefined, []])
      return fx.addUser(tx, 'a')
    })
    assert.equal(added, 1)
    return (again) => assert.deepEqual([again.userIndexOf('a'), [...again.users()]], [1, [1]])
  })

  holds('neither hands out nor keeps memory that somebody else changes', (store) => {
    const given = fx.userRow('a', { scores: Float64Array.of(1, 2), held: [{ persona: 1, since: 5 }] })
    const wanted = structuredClone(given)
    store.transact((tx) => {
      const user = tx.addUser(given.userId)
      tx.putUser(user, given)
      given.scores.fill(9)
      assert.deepEqual(tx.user(user), wanted)
      tx.user(user)!.scores.fill(8)
      fx.addUser(tx, 'b')
    })
    given.scores.fill(7)
    return (again) => {
      const row = again.user(0 as UserIndex)!
      again.user(1 as UserIndex)
      for (const user of again.users()) again.edge(user, 0 as never)
      assert.deepEqual(row, wanted)
      row.scores.fill(6)
      assert.deepEqual(again.user(0 as UserIndex), wanted)
    }
  })
}

/** Any code points but surrogates. (fast-check's own strings take a second to set up.) */
const anyId = fc
  .array(
    fc.oneof(fc.nat({ max: 0x7f }), fc.nat({ max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff })),
    { minLength: 1, maxLength: 12 },
  )
  .map((points) => String.fromCodePoint(...points))

const whole = (max = Number.MAX_SAFE_INTEGER) =>
  fc.oneof(
    fc.constantFrom(0, 1, max),
    fc.maxSafeNat().map((n) => n % (max + 1)),
  )

const userRowArbitrary: fc.Arbitrary<UserRow> = fc
  .record(
    {
      userId: fc.constant(fx.userId('given by its index')),
      status: fc.constantFrom(...statuses),
      method: fc.constantFrom(...methods),
      version: whole(2 ** 32 - 1),
      sequence: whole(2 ** 32 - 1),
      weight: whole(userWeightMax),
      scoreWeight: whole(),
      scores: fc.array(whole(), { maxLength: 256 }).map((scores) => Float64Array.from(scores)),
      held: fc.array(
        fc.record({ persona: fc.nat({ max: 255 }), since: whole(tsMax) }, { noNullPrototype: true }),
        { maxLength: 256 },
      ),
      primary: fc.integer({ min: -1, max: 255 }),
      position: whole(),
      halfWidth: fc.constantFrom(0, 0.25, 1),
      epoch: fc.constantFrom(0, 1, 2 ** 32 - 1),
    },
    { noNullPrototype: true },
  )
  .map((row) => ({
    ...row,
    probabilities: row.epoch === 0 ? new Float64Array(0) : row.scores.map((_, c) => 1 / (c + 1)),
  }))

function roundTrip(open: fx.OpenStore, rows: fc.Arbitrary<UserRow>): Promise<void> {
  return fx.withStore(open, async (opened) => {
    const some = fc.sample(rows, { numRuns: 100, seed: 1 })
    const { users } = fx.addNodes(opened.store, { users: some.length, products: 0 })
    const named = some.map((row, i) => ({ ...row, userId: fx.userId(`user ${i}`) }))
    opened.store.transact((tx) => named.forEach((row, i) => void tx.putUser(users[i]!, row)))
    await fx.holdsNowAndReopened(opened, (store) =>
      named.forEach((row, i) => {
        assert.deepEqual(store.user(users[i]!), row)
      }),
    )
  })
}
