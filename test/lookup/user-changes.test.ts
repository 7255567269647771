// The index of changes by user is what reading the whole feed would say, however it grew, was trimmed or erased from.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { UserIndex } from '../../src/core/ids.ts'
import { readFeed } from '../../src/lookup/change-feed.ts'
import { Slices } from '../../src/lookup/slices.ts'
import { ChangeIndex } from '../../src/lookup/user-changes.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { Store } from '../../src/store/port.ts'

const users = 4
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 1, max: 700 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), count: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('erase' as const), count: fc.nat(users - 1) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), count: fc.integer({ min: 1, max: 60 }) }),
  },
)

async function allOf(index: ChangeIndex, user: UserIndex, limit: number): Promise<string[]> {
  const found: string[] = []
  for (let after: number | undefined, more = true; more; ) {
    const page = await index.of(user, { after, limit })
    assert.ok(page.changes.length <= limit)
    found.push(...page.changes)
    ;({ cursor: after, more } = page)
  }
  return found
}

describe('changes of a user', () => {
  it('are those of the feed, in pages of any size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const store = openMemoryStore({ dedupeHorizon: 10 })
        const index = new ChangeIndex(store, new Slices())
        for (const { kind, count } of [...steps, { kind: 'ask' as const, count: 50 }]) {
          if (kind === 'add') add(store, count)
          if (kind === 'trim') store.transact((tx) => tx.trimChanges(Math.max(0, tx.count.changes - count)))
          if (kind === 'erase') store.transact((tx) => tx.removeChangesOf(count as UserIndex))
          if (kind !== 'ask') continue
          const rows = store.changes(0, 1_000_000)
          for (let user = 0; user < users; user++)
            assert.deepEqual(
              await allOf(index, user as UserIndex, count),
              rows.filter(({ userIndex }) => userIndex === user).map(({ json }) => json),
            )
        }
      }),
      { numRuns: 60 },
    )
  })

  it('are read once for all who ask at the same time', async () => {
    const store = openMemoryStore({ dedupeHorizon: 10 })
    add(store, 3000)
    let read = 0
    const counting = {
      ...store,
      changes(from: number, limit: number) {
        if (limit > 1) read++
        return store.changes(from, limit)
      },
    }
    const index = new ChangeIndex(counting, new Slices())
    await Promise.all(Array.from({ length: 20 }, () => index.of(0 as UserIndex, { limit: 1 })))
    assert.ok(read <= 25, `${read} slices`)
    await index.of(0 as UserIndex, { limit: 1 })
    assert.ok(read <= 25, 'and not again')
  })
})

describe('the feed', () => {
  it('by cursor has each row once, and says when rows behind the cursor are gone', () => {
    const store = openMemoryStore({ dedupeHorizon: 10 })
    assert.deepEqual(readFeed(store, { limit: 5 }), { rows: [], cursor: 0, more: false, newest: 0 })
    add(store, 20)
    store.transact((tx) => tx.removeChangesOf(3 as UserIndex))
    store.transact((tx) => tx.trimChanges(4))
    assert.deepEqual(readFeed(store, { after: 3, limit: 5 }), { gone: true, oldest: 4, newest: 20 })
    assert.deepEqual(readFeed(store, { after: 21, limit: 5 }), { gone: true, oldest: 4, newest: 20 })
    const found: number[] = []
    for (let after: number | undefined, more = true; more; ) {
      const page = readFeed(store, { after, limit: 4 })
      assert.ok(!('gone' in page))
      found.push(...page.rows.map(({ number }) => number))
      ;({ cursor: after, more } = page)
    }
    assert.deepEqual(found, [4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18])
  })

  it('goes on at a cursor whose rows were erased', () => {
    const store = openMemoryStore({ dedupeHorizon: 10 })
    add(store, 8)
    for (let user = 0; user < users; user++) store.transact((tx) => tx.removeChangesOf(user as UserIndex))
    assert.deepEqual(readFeed(store, { after: 2, limit: 5 }), { rows: [], cursor: 8, more: false, newest: 8 })
  })
})

function add(store: Store, count: number): void {
  store.transact((tx) => {
    for (let i = 0; i < count; i++)
      tx.addChange((tx.count.changes % users) as UserIndex, `{"n":${tx.count.changes}}`)
  })
}
