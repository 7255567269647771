// Contract of the store: an event id is remembered for the horizon exactly, counted in positions.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Store, StoreWriter } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'

const horizon = fx.contractDedupeHorizon

export function dedupeCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('remembers an event id for the horizon exactly, from when it was remembered', (store) => {
    const at = (id: string, position: number) => store.transact((tx) => seenAt(tx, id, position))
    assert.equal(at('a', 10), false)
    assert.equal(at('b', 11), false)
    assert.equal(at('a', 12), true)
    assert.equal(at('a', 10 + horizon), true, 'still within the horizon')
    assert.equal(at('a', 10 + horizon + 1), false, 'not refreshed by being asked for')
    assert.equal(at('a', 10 + horizon + 2), true, 'remembered anew')
    assert.equal(at('b', 11 + horizon + 2), false)
    return (again) => {
      const asked = (id: string, position: number) => fx.undone(again, (tx) => seenAt(tx, id, position))
      assert.equal(asked('a', 10 + 2 * horizon + 1), true)
      assert.equal(asked('a', 10 + 2 * horizon + 2), false)
      assert.equal(asked('b', 11 + 2 * horizon + 2), true)
      assert.equal(asked('c', 11 + 2 * horizon + 2), false)
    }
  })

  holds('remembers what it is told to, not what it is asked for', (store) => {
    const [a, b] = [fx.eventId('a'), fx.eventId('b')]
    store.transact((tx) => {
      tx.count.position = 4
      assert.deepEqual([tx.seen(a, 0), tx.seen(a, 1)], [false, false])
      tx.remember(a, 1)
      assert.deepEqual([tx.seen(b, 2), tx.seen(a, 2)], [false, true])
      assert.equal(tx.seen(a, 3), true)
      tx.remember(b, 3) // asked for before another one was
    })
    return (again) =>
      fx.undone(again, (tx) => {
        assert.deepEqual([tx.seen(a, 4), tx.seen(b, 4), tx.seen(fx.eventId('c'), 4)], [true, true, false])
      })
  })

  holds('sees what the same transaction remembered, and forgets what was undone', (store) => {
    store.transact((tx) => {
      assert.deepEqual([seenAt(tx, 'a', 0), seenAt(tx, 'a', 1)], [false, true])
    })
    assert.deepEqual(
      fx.undone(store, (tx) => [seenAt(tx, 'b', 2), seenAt(tx, 'b', 3)]),
      [false, true],
    )
    return (again) => {
      assert.equal(
        fx.undone(again, (tx) => seenAt(tx, 'b', 3)),
        false,
      )
      assert.equal(
        fx.undone(again, (tx) => seenAt(tx, 'a', 3)),
        true,
      )
      // an undone transaction has not pushed anything out of the horizon either
      fx.undone(again, (tx) => seenAt(tx, 'far', 10 * horizon))
      assert.equal(
        fx.undone(again, (tx) => seenAt(tx, 'a', 4)),
        true,
      )
    }
  })

  holds('remembers at positions on both sides of 2³²', (store) => {
    const first = 2 ** 32 - 3
    const ids = ['a', 'b', 'c', 'd', 'e', 'f']
    const again = store.transact((tx) => {
      ids.forEach((id, i) => void assert.equal(seenAt(tx, id, first + i), false))
      return ids.map((id, i) => seenAt(tx, id, first + ids.length + i))
    })
    const all = ids.map(() => true)
    assert.deepEqual(again, all)
    return (reopened) =>
      assert.deepEqual(
        fx.undone(reopened, (tx) => ids.map((id, i) => seenAt(tx, id, first + 2 * ids.length + i))),
        all,
      )
  })

  holds('keeps odd event ids apart', (store) => {
    store.transact((tx) =>
      fx.oddIds.forEach((id, i) => void assert.equal(seenAt(tx, id, i), false, JSON.stringify(id))),
    )
    return (again) =>
      fx.undone(again, (tx) => {
        fx.oddIds.forEach((id, i) => {
          const position = fx.oddIds.length + 2 * i
          assert.equal(seenAt(tx, id, position), true, JSON.stringify(id))
          assert.equal(seenAt(tx, `${id}!`, position + 1), false, JSON.stringify(id))
        })
      })
  })

  it('agrees with a plain map over many positions, batches, undone batches and restarts', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 2 ** 32 - 150, 2 ** 40),
        fc.array(
          fc.record({ asks: asksArbitrary, end: fc.constantFrom('commit', 'commit', 'undo', 'reopen') }),
          { maxLength: 10 },
        ),
        (start, batches) => fx.withStore(open, (opened) => followMap(opened, start, batches)),
      ),
      { numRuns: 25 },
    ))

  it('agrees with a plain map over many times the horizon', () =>
    fx.withStore(open, async ({ store }) => {
      const random = fx.randomOf(3)
      const model = new SeenModel()
      let position = 0
      while (position < 60 * horizon)
        store.transact((tx) => {
          for (let n = 0; n < 500; n++, position += 1 + random(2)) {
            const id = `event ${random(400)}`
            assert.equal(seenAt(tx, id, position), model.seenBefore(id, position), `${id} at ${position}`)
          }
        })
    }))
}

type Ask = { id: number; gap: number }
const asksArbitrary = fc.array(
  fc.record({
    id: fc.nat({ max: 5 }),
    gap: fc.constantFrom(1, 1, 2, 63, 64, horizon - 1, horizon, horizon + 1),
  }),
  { maxLength: 8 },
)

async function followMap(
  opened: fx.OpenedStore,
  start: number,
  batches: { asks: Ask[]; end: string }[],
): Promise<void> {
  let store: Store = opened.store
  let model = new SeenModel()
  let position = start
  for (const { asks, end } of batches) {
    const within = model.copy()
    let next = position
    const run = (tx: StoreWriter) => {
      for (const { id, gap } of asks) {
        assert.equal(seenAt(tx, `e${id}`, next), within.seenBefore(`e${id}`, next), `e${id} at ${next}`)
        next += gap
      }
    }
    if (end === 'undo') {
      fx.undone(store, run)
      continue
    }
    store.transact(run)
    model = within
    position = next
    if (end === 'reopen' && opened.reopen) store = await opened.reopen()
  }
}

class SeenModel {
  #at = new Map<string, number>()

  copy(): SeenModel {
    const copy = new SeenModel()
    copy.#at = new Map(this.#at)
    return copy
  }

  seenBefore(id: string, position: number): boolean {
    const at = this.#at.get(id)
    if (at !== undefined && position - at <= horizon) return true
    this.#at.set(id, position)
    return false
  }
}

/** What a record that is applied does: asks at the next position, has its id remembered if it was not, and passes it. */
function seenAt(tx: StoreWriter, id: string, position: number): boolean {
  tx.count.position = position + 1
  const seen = tx.seen(fx.eventId(id), position)
  if (!seen) tx.remember(fx.eventId(id), position)
  return seen
}
