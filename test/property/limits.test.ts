// I7: what has a limit keeps to it; past it a record is quarantined, an import refused, or ingest stops with an answer.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { importOf } from '../../src/codec/prototypes.ts'
import { netQuantityMax, personasMax, prototypesMax, userWeightMax } from '../../src/core/limits.ts'
import { FatalError, UsageError } from '../../src/errors.ts'
import { ensureCapacity, type Store } from '../../src/store/port.ts'
import type { OracleEvent, OracleEventType, OracleImport } from '../oracle/model.ts'
import { randomRecords } from '../oracle/random-records.ts'
import { drive, type Rig, withRig } from '../support/engine-harness.ts'
import {
  type Bytes,
  batchOf,
  controlBytes,
  encodeRecords,
  eventBytes,
  importControl,
  recordAt,
} from '../support/engine-records.ts'
import { hotScoreOf, viewOf } from '../support/engine-view.ts'
import { replacing } from '../support/faults.ts'

describe('I7 bounds', () => {
  it('I7 an event past the largest W of a user is quarantined; others go on, and so does the user', () => {
    const room = 1711
    const wrap = (store: Store) => withEdgesElsewhere(store, 'hub', userWeightMax - room)
    return withRig({ store: 'memory', wrap }, (rig) => {
      const weight = () => rig.store.user(rig.store.userIndexOf('hub')!)?.weight
      const events = [event('hub', 'a'), event('hub', 'b'), event('hub', 'c', 'view'), event('ann', 'b')]
      const { applied, quarantined } = process(rig, events)
      assert.deepEqual([applied, quarantined], [3, 1])
      assert.equal(weight(), userWeightMax - room + 1300)
      assert.match(rig.store.quarantinedRecords(0, 1)[0]!.cause, /as many products as one user can/)
      const again = [event('hub', 'a', 'return'), event('hub', 'b')]
      assert.equal(process(rig, again).applied, 2)
      assert.equal(weight(), userWeightMax - room + 1300)
      const past = { ...events[0]!, product_id: 'd' } // an id that was applied, of what would not fit
      assert.equal(process(rig, [past, ...again]).duplicates, 3, 'a duplicate at the limit is one')
    })
  })

  it('I7 so is one of a prototype, who can become a user that is walked', () => {
    const room = 1711
    const wrap = (store: Store) => withEdgesElsewhere(store, 'hub', userWeightMax - room)
    return withRig({ store: 'memory', wrap }, (rig) => {
      const label = (user_id: string) => ({ user_id, personas: ['persona'] })
      makePrototypes(rig, [label('hub'), label('ann')])
      const events = [event('hub', 'a'), event('hub', 'b'), event('hub', 'c', 'view'), event('ann', 'b')]
      const { applied, quarantined } = process(rig, events)
      assert.deepEqual([applied, quarantined], [3, 1])
      assert.equal(process(rig, [event('hub', 'a', 'return'), event('hub', 'b')]).applied, 2)
      makePrototypes(rig, [label('ann')])
      const row = rig.store.user(rig.store.userIndexOf('hub')!)
      assert.deepEqual([row?.status, row?.weight], ['unknown', userWeightMax - room + 1300])
      assert.equal(process(rig, [event('hub', 'd')]).quarantined, 1, 'walked, it has the same room')
    })
  })

  for (const { type, sign } of [
    { type: 'purchase' as const, sign: 1 },
    { type: 'return' as const, sign: -1 },
  ])
    it(`I7 a ${type} past the largest net quantity of an edge is quarantined with its bytes`, () =>
      withRig({ store: 'lmdb' }, (rig) => {
        process(rig, [event('ann', 'tea')])
        rig.store.transact((tx) => {
          const [user, product] = [tx.userIndexOf('ann')!, tx.productIndexOf('tea')!]
          tx.putEdge(
            user,
            product,
            { ...tx.edge(user, product)!, net: sign * (netQuantityMax - 5) },
            sign > 0 ? 1000 : 0,
          )
        })
        const [fits, past] = [event('ann', 'tea', type, 5), event('ann', 'tea', type, 1)]
        const { applied, quarantined } = process(rig, [fits, past])
        assert.deepEqual([applied, quarantined], [1, 1])
        const [kept] = rig.store.quarantinedRecords(0, 9)
        assert.equal(Buffer.from(kept!.bytes).toString(), eventBytes(past).text)
        assert.match(kept!.cause, /net quantity/)
        const edge = Object.values(viewOf(rig.store).users.get('ann')!.edges)[0] as { net: number }
        assert.equal(edge.net, sign * netQuantityMax)
      }))

  it('I7 a duplicate at a limit is a duplicate: it changes nothing, quarantine included', () =>
    withRig({ store: 'memory' }, (rig) => {
      process(rig, [event('ann', 'tea')])
      rig.store.transact((tx) => {
        const [user, product] = [tx.userIndexOf('ann')!, tx.productIndexOf('tea')!]
        tx.putEdge(user, product, { ...tx.edge(user, product)!, net: netQuantityMax - 5 }, 1000)
      })
      const fits = event('ann', 'tea', 'purchase', 5)
      assert.equal(process(rig, [fits]).applied, 1)
      const { duplicates, quarantined } = process(rig, [fits])
      assert.deepEqual({ duplicates, quarantined }, { duplicates: 1, quarantined: 0 })
    }))

  it('I7 quarantine past its limit stops with a FatalError and applies nothing of the batch', () =>
    withRig({ store: 'lmdb', config: { quarantineMax: 3 } }, (rig) => {
      const bad: Bytes = { text: '{"event_id":', format: { kind: 'json' } }
      assert.equal(process(rig, [event('ann', 'tea'), bad, bad, bad]).quarantined, 3)
      const before = [rig.store.counters(), viewOf(rig.store)]
      assert.throws(() => process(rig, [event('ann', 'milk'), bad]), FatalError)
      assert.throws(() => process(rig, [event('ann', 'milk'), bad]), /KINDRED_QUARANTINE_MAX/)
      assert.deepEqual([rig.store.counters(), viewOf(rig.store)], before)
      assert.equal(process(rig, [event('ann', 'milk')]).applied, 1)
    }))

  for (const { memory, hotBytesMax, usersMin, usersMax } of [
    { memory: 'the least there is', hotBytesMax: 1, usersMin: 50, usersMax: 64 },
    // three quarters are for users, who take 240 bytes at the very least
    { memory: '60 kB', hotBytesMax: 60_000, usersMin: 65, usersMax: (0.75 * 60_000) / 240 },
  ])
    it(`I7 hot memory holds no more of 300 users than it has room for: ${memory}`, () =>
      withRig({ store: 'memory', policy: { hotBytesMax } }, (rig) => {
        const encoded = encodeRecords(randomRecords({ seed: 16, events: 1500, users: 300, products: 120 }))
        let most = 0
        for (let from = 0; from < encoded.records.length; from += 10) {
          rig.process(batchOf(encoded.records, from, from + 10))
          most = Math.max(most, hotCount(rig))
        }
        assert.ok(most >= usersMin && most <= usersMax, `${most} were hot`)
      }))

  it('I7 imports of too many personas or prototypes are refused', () => {
    const personas = (count: number) => Array.from({ length: count }, (_, nth) => `persona ${nth}`)
    assert.equal(importOf([{ user_id: 'ann', personas: personas(personasMax) }]).personas.length, personasMax)
    assert.throws(() => importOf([{ user_id: 'ann', personas: personas(personasMax + 1) }]), UsageError)
    const definitions = personas(personasMax + 1).map((name) => ({ name }))
    assert.throws(() => importOf([{ user_id: 'ann', personas: ['persona 0'] }], definitions), UsageError)
    const labels = (count: number) =>
      Array.from({ length: count }, (_, nth) => ({ user_id: `user ${nth}`, personas: ['persona'] }))
    assert.equal(importOf(labels(prototypesMax)).prototypes.length, prototypesMax)
    assert.throws(() => importOf(labels(prototypesMax + 1)), UsageError)
  })

  it('I7 a change event names at most three products as evidence', async () => {
    const records = randomRecords({ seed: 17, events: 1500, users: 60, products: 60 })
    const { changes } = await drive(records, { store: 'memory', batchSize: 100 })
    const evidence = changes.map((line) => (JSON.parse(line) as { evidence: unknown[] }).evidence.length)
    assert.equal(Math.max(...evidence), 3)
  })
})

/** The next records of the rig's log, as one batch. */
function process(rig: Rig, records: readonly (OracleEvent | Bytes)[]) {
  const from = rig.store.watermark('log')
  const batch = records.map((record, nth) =>
    recordAt(from + nth, 'kind' in record ? eventBytes(record) : record),
  )
  return rig.process({ source: 'log', records: batch, next: from + batch.length })
}

/** Imports the labels and switches to them. */
function makePrototypes(rig: Rig, labels: OracleImport['labels']): void {
  const version = rig.store.counters().versions + 1
  process(rig, [
    controlBytes(importControl({ kind: 'import', labels })),
    controlBytes({ kind: 'switch', version }),
  ])
  assert.equal(rig.store.counters().version, version)
}

/** The store as if `userId` had edges of `weight` in all to products that nobody else knows. */
function withEdgesElsewhere(store: Store, userId: string, weight: number): Store {
  const largest = 2 ** 16 - 1
  const entries = Math.ceil(weight / largest)
  return replacing(store, {
    transact: (change) =>
      store.transact((tx) =>
        change(
          replacing(tx, {
            productsOf(user, into) {
              tx.productsOf(user, into)
              if (tx.userIndexOf(userId) !== user) return
              ensureCapacity(into, into.length + entries)
              into.ids.fill(999, into.length, into.length + entries)
              into.weights.fill(largest, into.length, into.length + entries)
              into.length += entries
              into.weights[into.length - 1] = weight - (entries - 1) * largest
            },
            userDegree(user) {
              const elsewhere = tx.userIndexOf(userId) === user ? Math.ceil(weight / 1000) : 0
              return tx.userDegree(user) + elsewhere
            },
          }),
        ),
      ),
  })
}

function hotCount({ store, engine }: Rig): number {
  return [...store.users()].filter((user) => hotScoreOf(engine, user) !== undefined).length
}

let events = 0

function event(
  user_id: string,
  product_id: string,
  type: OracleEventType = 'purchase',
  quantity = 1,
): OracleEvent {
  events += 1
  const ts = '2024-05-01T10:00:00Z'
  return { kind: 'event', event_id: `event ${events}`, user_id, product_id, type, quantity, ts }
}
