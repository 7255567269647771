// The census: one count for all who ask, in slices that let others have their turn, bounded in what it keeps.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TransientError } from '../../src/errors.ts'
import { audiencePage } from '../../src/lookup/audience.ts'
import { CensusTaker, listedMax } from '../../src/lookup/census.ts'
import { PersonaNames } from '../../src/lookup/names.ts'
import { Slices } from '../../src/lookup/slices.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { Store, StoreReader } from '../../src/store/port.ts'

const people = 25_000

/** A store where everybody holds A, the n-th with the probability n / people, and every other one B beside it. */
function crowd(): Store {
  const store = openMemoryStore({ dedupeHorizon: 10 })
  store.transact((tx) => {
    const personas = [{ name: 'A' }, { name: 'B' }]
    tx.putVersion({ version: 1, hash: 'h', personas, shareSums: [3 * 2 ** 18, 2 ** 18], prototypes: 1 })
    tx.count.version = 1
    for (let n = 0; n < people; n++) {
      const user = tx.addUser(`u${n}` as never)
      tx.putUser(user, {
        userId: `u${n}` as never,
        status: 'inferred',
        method: 'exact',
        version: 1,
        sequence: 1,
        weight: 1000,
        scoreWeight: 1000,
        scores: Float64Array.of(n, people - n),
        held:
          n % 2 === 0
            ? [
                { persona: 0, since: 0 },
                { persona: 1, since: 0 },
              ]
            : [{ persona: 0, since: 0 }],
        primary: 0,
        position: 0,
        halfWidth: 0,
        epoch: 0,
        probabilities: new Float64Array(0),
      })
    }
  })
  return store
}

describe('census', () => {
  it('counts once for all who ask, and gives way to others meanwhile', async () => {
    const store = crowd()
    let reads = 0
    const counting: StoreReader = {
      ...store,
      user(index) {
        reads++
        return store.user(index)
      },
    }
    const names = new PersonaNames(counting)
    const taker = new CensusTaker(counting, { slices: new Slices(), names, now: () => 0 })
    let turns = 0
    let counted = false
    const turn = () => {
      turns++
      if (!counted) setImmediate(turn)
    }
    setImmediate(turn)
    const all = await Promise.all(Array.from({ length: 10 }, () => taker.take()))
    counted = true
    assert.equal(reads, people)
    assert.ok(turns > 5, `${turns} turns of others`)
    assert.equal(new Set(all).size, 1)
    assert.equal(await taker.take(), all[0])
    const [census] = all as [(typeof all)[0]]
    assert.deepEqual(census.baseRates, [0.75, 0.25])
    assert.deepEqual(census.statuses, { unknown: 0, inferred: people, prototype: 0 })
    assert.deepEqual([census.groups.get('A')!.users, census.groups.get('B')!.users], [people, people / 2])
  })

  it('lists the most probable ones alone, in full order, and pages end there', async () => {
    const store = crowd()
    const names = new PersonaNames(store)
    const census = await new CensusTaker(store, { slices: new Slices(), names, now: () => 0 }).take()
    const page = audiencePage({ store, names, census }, { persona: 'A', after: undefined, limit: listedMax })!
    assert.deepEqual([page.total, page.listed, page.next], [people, listedMax, null])
    assert.deepEqual(
      page.users.map(({ user_id }) => user_id),
      Array.from({ length: listedMax }, (_, i) => `u${people - 1 - i}`),
    )
  })

  it('is of one version: begun anew when another is switched to meanwhile', async () => {
    const store = crowd()
    let reads = 0
    const switching: StoreReader = {
      ...store,
      user(index) {
        if (++reads === people / 2)
          store.transact((tx) => {
            const personas = [{ name: 'B' }, { name: 'C' }]
            tx.putVersion({ version: 2, hash: 'i', personas, shareSums: [2 ** 18, 2 ** 18], prototypes: 1 })
            tx.count.version = 2
          })
        return store.user(index)
      },
    }
    const names = new PersonaNames(switching)
    const taker = new CensusTaker(switching, { names, slices: new Slices(), now: () => 0 })
    const { version, statuses, groups } = await taker.take()
    assert.deepEqual([version, statuses.inferred, [...groups.keys()]], [2, people, ['B', 'C']])
  })

  it('ends with the service, and says so to who waits', async () => {
    const store = crowd()
    const slices = new Slices()
    const taker = new CensusTaker(store, { slices, names: new PersonaNames(store), now: () => 0 })
    const waiting = assert.rejects(taker.take(), (error) => error instanceof TransientError)
    slices.close()
    await waiting
  })
})
