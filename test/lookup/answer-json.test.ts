// Answers as JSON, made from parts: to the byte what the answer itself gives; and answers that are kept, which follow the row.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { methods, statuses } from '../../src/core/persona.ts'
import { answerOf } from '../../src/lookup/answer.ts'
import { AnswerCache } from '../../src/lookup/answer-cache.ts'
import { answerJson } from '../../src/lookup/answer-json.ts'
import { isoTime } from '../../src/lookup/iso-time.ts'
import { PersonaNames } from '../../src/lookup/names.ts'
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { Store, StoreReader, UserRow } from '../../src/store/port.ts'
import { oddIds, userId, userRow } from '../contract/store-fixtures.ts'

const personas = ['A', 'quoted "B"', '\u2028 and \ud83d\udc69', 'line\nbreak']

/** Version 1 has the personas; version 2 is not there. */
function putPersonas(store: Store): void {
  store.transact((tx) =>
    tx.putVersion({
      version: 1,
      hash: 'h',
      personas: personas.map((name) => ({ name })),
      shareSums: personas.map(() => 1),
      prototypes: 1,
    }),
  )
}

const time = fc.integer({ min: -1e12, max: 260_000_000_000_000 })
const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.1, 0.25, 1e-9, 1))
const row: fc.Arbitrary<UserRow> = fc
  .record({
    id: fc.oneof(fc.constantFrom(...oddIds), fc.string({ minLength: 1, unit: 'binary' })),
    status: fc.constantFrom(...statuses),
    method: fc.constantFrom(...methods),
    version: fc.constantFrom(1, 1, 1, 2),
    sequence: fc.nat(),
    epoch: fc.constantFrom(0, 7),
    scores: fc.array(fc.oneof(fc.nat(), fc.constant(0)), { minLength: 4, maxLength: 4 }),
    probabilities: fc.array(share, { minLength: 4, maxLength: 4 }),
    scoreWeight: fc.constantFrom(0, 1000, 3000),
    held: fc.uniqueArray(fc.record({ persona: fc.nat({ max: 3 }), since: time }), {
      selector: ({ persona }) => persona,
    }),
    primary: fc.integer({ min: -1, max: 3 }),
  })
  .map(({ id, scores, probabilities, ...rest }) =>
    userRow(id, {
      ...rest,
      scores: Float64Array.from(scores),
      probabilities: Float64Array.from(rest.epoch === 0 ? [] : probabilities),
    }),
  )

describe('answers as JSON', () => {
  it('are to the byte what the answer gives', () => {
    const store = openMemoryStore({ dedupeHorizon: 10 })
    putPersonas(store)
    const names = new PersonaNames(store)
    fc.assert(
      fc.property(row, (row) => assert.equal(answerJson(row, names), JSON.stringify(answerOf(row, names)))),
    )
  })

  it('have times as Date writes them', () => {
    const edges = [0, 1, 999, 86_399_999, 86_400_000, Date.UTC(2024, 1, 29), Date.UTC(10_000, 0, 1) - 1]
    for (const ms of [...edges, Date.UTC(10_000, 0, 1), -1])
      assert.equal(isoTime(ms), new Date(ms).toISOString())
    fc.assert(fc.property(time, (ms) => assert.equal(isoTime(ms), new Date(ms).toISOString())))
    assert.throws(() => isoTime(Number.NaN), RangeError)
  })

  it('are never older than the row, whatever is written beside it, here and in another thread’s view', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kindred-answers-'))
    const options = { path: join(dir, 'state'), settings: {}, mapSizeBytes: 2 ** 30, dedupeHorizon: 10 }
    const store = openLmdbStore(options)
    const reader = openLmdbStore({ ...options, readOnly: true, besideWriter: true })
    try {
      putPersonas(store)
      const names = new PersonaNames(reader)
      const caches = [new AnswerCache(store, new PersonaNames(store)), new AnswerCache(reader, names)]
      const id = (n: number) => `user ${n} ${'x'.repeat(n % 50)}`
      const sequences = new Map<string, number>()
      let sequence = 0
      const someUsers = fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 12 })
      const step = fc.record({ put: someUsers, remove: fc.array(fc.nat({ max: 300 }), { maxLength: 2 }) })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
          for (const { put, remove } of steps) {
            store.transact((tx) => {
              for (const n of put) {
                const user = tx.userIndexOf(id(n)) ?? tx.addUser(userId(id(n)))
                // rows grow and shrink, so that pages are split and joined
                const scores = Float64Array.from({ length: 4 + ((n * ++sequence) % 60) }, () => 1)
                tx.putUser(user, userRow(id(n), { version: 1, sequence, scores }))
                sequences.set(id(n), sequence)
              }
              for (const n of remove) {
                const user = tx.userIndexOf(id(n))
                if (user !== undefined) tx.removeUser(user)
                sequences.delete(id(n))
              }
            })
            await nextTurn() // a reader's view is of the turn that it was begun in
            for (const cache of caches)
              for (let n = 0; n <= 300; n += 3) {
                const json = cache.lookUpJson(id(n))
                const version = json && (JSON.parse(json) as { version: number }).version
                assert.equal(version, sequences.get(id(n)), id(n))
              }
          }
        }),
        { numRuns: 30 },
      )
    } finally {
      await reader.close()
      await store.close()
      await rm(dir, { recursive: true })
    }
  })

  it('are not made anew when a row beside theirs was written, or their own with the same in it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kindred-answers-'))
    const options = { path: join(dir, 'state'), settings: {}, mapSizeBytes: 2 ** 30, dedupeHorizon: 10 }
    const store = openLmdbStore(options)
    const reader = openLmdbStore({ ...options, readOnly: true, besideWriter: true })
    let rowsRead = 0
    const counting: StoreReader = {
      ...reader,
      user: (index) => {
        rowsRead++
        return reader.user(index)
      },
    }
    try {
      putPersonas(store)
      const put = async (id: string, sequence: number) => {
        store.transact((tx) => {
          const user = tx.userIndexOf(id) ?? tx.addUser(userId(id))
          tx.putUser(user, userRow(id, { version: 1, sequence }))
        })
        await store.flushed()
        await nextTurn()
      }
      const cache = new AnswerCache(counting, new PersonaNames(reader))
      await put('u', 1)
      const first = cache.lookUpJson('u')
      assert.equal(rowsRead, 1)
      await put('beside u', 1)
      await put('u', 1)
      for (let n = 0; n < 3; n++) assert.equal(cache.lookUpJson('u'), first)
      assert.equal(rowsRead, 1)
      const user = reader.userIndexOf('u')!
      const seen = reader.userSeen!(user)!
      const { stamp } = seen
      await put('beside u', 2)
      assert.ok(reader.userIsAs!(user, seen))
      assert.notEqual(seen.stamp, stamp, 'by its bytes')
      assert.deepEqual(seen, reader.userSeen!(user), 'by the stamp of its page from now on')
      await put('u', 2)
      for (let n = 0; n < 3; n++) assert.match(cache.lookUpJson('u')!, /"version":2,/)
      assert.equal(rowsRead, 2)
    } finally {
      await reader.close()
      await store.close()
      await rm(dir, { recursive: true })
    }
  })

  it('are kept while the row is the same, and follow it when it changes, goes, and comes back', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kindred-answers-'))
    const store = openLmdbStore({
      path: join(dir, 'state'),
      settings: {},
      mapSizeBytes: 2 ** 30,
      dedupeHorizon: 10,
    })
    try {
      putPersonas(store)
      const cache = new AnswerCache(store, new PersonaNames(store))
      const sequenceOf = (id: string) => {
        const json = cache.lookUpJson(id)
        return json && (JSON.parse(json) as { user_id: string; version: number }).version
      }
      const put = (sequence: number) =>
        store.transact((tx) => {
          const user = tx.userIndexOf('u') ?? tx.addUser(userId('u'))
          tx.putUser(user, userRow('u', { version: 1, sequence }))
          return user
        })
      assert.equal(sequenceOf('u'), undefined)
      const user = put(1)
      assert.equal(sequenceOf('u'), 1)
      assert.equal(cache.lookUpJson('u'), cache.lookUpJson('u'))
      put(2)
      assert.equal(sequenceOf('u'), 2)
      store.transact((tx) => tx.removeUser(user))
      assert.equal(sequenceOf('u'), undefined)
      assert.notEqual(put(2), user)
      assert.equal(sequenceOf('u'), 2)
    } finally {
      await store.close()
      await rm(dir, { recursive: true })
    }
  })
})
