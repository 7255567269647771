// Delivery over days in milliseconds: order, retries, what is asked for by receivers, expiry, limits, erasure and restarts.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { backOffMs } from '../../src/sink/webhook/retry.ts'
import { broken, editsMs, ok, status, withBench } from '../support/webhook-bench.ts'
import { limits, rowOf } from '../support/webhook-changes.ts'

const second = 1000
const hour = 3600 * second

describe('a delivery', () => {
  it('goes out at once, to each subscription that it is for', () =>
    withBench(async ({ subscribe, dispatcher, clock, sent, admin }) => {
      const all = subscribe({ url: 'https://all.example/' })
      subscribe({ url: 'https://exits.example/', filter: { directions: ['exited'] } })
      const off = subscribe({ url: 'https://off.example/', active: false })
      const calls = subscribe({ url: 'https://segment.example/', format: 'segment' })
      await clock.pass(second)
      dispatcher().deliver([rowOf(0, 'a')])
      await clock.pass(second)
      assert.deepEqual(sent.map(({ id, url }) => [id, new URL(url).hostname]).sort(), [
        ['pc_0', 'all.example'],
        ['pc_0_0', 'segment.example'],
      ])
      for (const id of [all, calls])
        assert.deepEqual([admin.get(id)!.delivered, admin.get(id)!.queued, dispatcher().waiting], [1, 0, 0])
      assert.deepEqual([admin.get(off)!.skipped, admin.get(off)!.queued], [1, 0])
    }))

  it('that fails is tried again for days, further and further apart, with one id', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin } = bench
      const id = subscribe()
      bench.answer = () => broken
      dispatcher().deliver([rowOf(0, 'a')])
      await clock.pass(67 * hour)
      const tries = sent.length
      assert.ok(tries > 20 && tries < 120, `${tries} attempts in 67 h`)
      assert.deepEqual(new Set(sent.map((one) => one.id)), new Set(['pc_0']))
      const gaps = sent.slice(1).map(({ at }, n) => at - sent[n]!.at)
      assert.ok(
        gaps.every((gap, n) => gap <= Math.min(limits.retryMaxMs, limits.retryBaseMs * 2 ** n) + second),
      )
      assert.ok(Math.max(...gaps) > hour)
      assert.equal(admin.get(id)!.queued, 1)
      bench.answer = () => ok
      await clock.pass(limits.retryMaxMs + second)
      assert.deepEqual([admin.get(id)!.queued, admin.get(id)!.delivered], [0, 1])
    }))

  it('waits a time drawn evenly, the same for the same seed', () => {
    for (const attempt of [0, 1, 5, 100]) {
      const longest = Math.min(limits.retryMaxMs, limits.retryBaseMs * 2 ** Math.min(attempt, 40))
      const waits = Array.from({ length: 400 }, (_, n) =>
        backOffMs({ key: `k${n}`, attempt, limits, seed: 1 }),
      )
      assert.ok(waits.every((wait) => wait >= 0 && wait < longest))
      const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
      assert.ok(Math.abs(mean / longest - 0.5) < 0.06, `mean ${mean / longest}`)
      assert.equal(backOffMs({ key: 'k0', attempt, limits, seed: 1 }), waits[0])
    }
    const of = (seed: number) => backOffMs({ key: 'k', attempt: 3, limits, seed })
    assert.notEqual(of(1), of(2))
  })

  it('of a user comes after the ones before, and holds up nobody else', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent } = bench
      subscribe()
      bench.answer = ({ id }) => (id === 'pc_0' ? broken : ok)
      dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'a'), rowOf(2, 'b'), rowOf(3, 'b')])
      await clock.pass(hour)
      assert.ok(sent.filter(({ id }) => id === 'pc_0').length > 3)
      assert.deepEqual(
        sent.filter(({ id }) => id !== 'pc_0').map(({ id }) => id),
        ['pc_2', 'pc_3'],
      )
      bench.answer = () => ok
      await clock.pass(limits.retryMaxMs)
      assert.deepEqual(
        sent.slice(-2).map(({ id }) => id),
        ['pc_0', 'pc_1'],
      )
    }))

  it('to a receiver that answers nothing holds up no other receiver', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent } = bench
      subscribe({ url: 'https://dead.example/' })
      subscribe({ url: 'https://well.example/' })
      bench.answer = ({ url }) => (url.includes('dead') ? new Promise(() => undefined) : ok)
      dispatcher().deliver(Array.from({ length: 50 }, (_, n) => rowOf(n, `u${n}`)))
      await clock.pass(second)
      assert.equal(sent.filter(({ url }) => url.includes('well')).length, 50)
      assert.equal(sent.filter(({ url }) => url.includes('dead')).length, limits.inFlightMax)
    }))
})

describe('the pace of a subscription', () => {
  it('is so many at a time, and so many a second', () =>
    withBench(
      async (bench) => {
        const { subscribe, dispatcher, clock, sent } = bench
        subscribe()
        let [now, most] = [0, 0]
        bench.answer = () => {
          most = Math.max(most, ++now)
          return new Promise((resolve) => {
            clock.after(100, () => {
              now--
              resolve(ok)
            })
          })
        }
        dispatcher().deliver(Array.from({ length: 60 }, (_, n) => rowOf(n, `u${n}`)))
        await clock.pass(10 * second)
        assert.equal(sent.length, 60)
        assert.ok(most > 1 && most <= 3, `${most} at a time`)
        for (const { at } of sent) {
          const within = sent.filter((other) => other.at >= at && other.at < at + second).length
          assert.ok(within <= 20 * 1.25, `${within} within a second`)
        }
      },
      { inFlightMax: 3, perSecondMax: 20 },
    ))

  for (const code of [429, 503])
    it(`pauses for as long as ${code} asks`, () =>
      withBench(async (bench) => {
        const { subscribe, dispatcher, clock, sent } = bench
        subscribe()
        bench.answer = (_sent, n) => (n === 0 ? status(code, '1800') : ok)
        dispatcher().deliver([rowOf(0, 'a')])
        await clock.pass(second)
        dispatcher().deliver([rowOf(1, 'b')])
        await clock.pass(1798 * second)
        assert.equal(sent.length, 1, 'nothing comes before')
        await clock.pass(2 * second)
        assert.equal(sent.length, 3)
      }))

  it('takes a date, no nonsense, and no longer than a day', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent } = bench
      subscribe()
      const date = new Date(clock.now() + hour).toUTCString()
      const answers = [date, '99999999999', 'soon', '-5']
      bench.answer = (_sent, n) => (n < answers.length ? status(503, answers[n]) : ok)
      dispatcher().deliver([rowOf(0, 'a')])
      await clock.pass(26 * hour)
      const gaps = sent.slice(1).map(({ at }, n) => at - sent[n]!.at)
      assert.ok(Math.abs(gaps[0]! - hour) <= second, `${gaps[0]}`)
      assert.ok(Math.abs(gaps[1]! - 24 * hour) <= second, `${gaps[1]}`)
      assert.ok(gaps[2]! < 8 * limits.retryBaseMs && gaps[3]! < 16 * limits.retryBaseMs)
    }))
})

describe('a subscription', () => {
  it('whose receiver answers 410 is switched off, keeps what waits, and goes on when it is switched on', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin, warnings } = bench
      const id = subscribe()
      bench.answer = () => status(410)
      dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'a')])
      await clock.pass(hour)
      assert.equal(sent.length, 1)
      const { active, disabled, queued } = admin.get(id)!
      assert.deepEqual([active, disabled?.reason, queued], [false, 'gone', 2])
      assert.deepEqual(warnings.length, 1)
      const call = subscribe({ format: 'segment', active: false })
      dispatcher().deliver([rowOf(2, 'a', { entered: [] })]) // nothing that Segment is told
      assert.deepEqual([admin.get(id)!.skipped, admin.get(call)!.skipped], [1, 0])
      bench.answer = () => ok
      bench.restart()
      await clock.pass(hour)
      assert.equal(sent.length, 1, 'off after a restart, too')
      assert.equal(admin.patch(id, { active: true })!.disabled, undefined)
      await clock.pass(hour)
      assert.deepEqual(
        sent.slice(1).map((one) => one.id),
        ['pc_0', 'pc_1'],
      )
    }))

  it('dead for too long has its deliveries become dead letters, which are listed and put back', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin } = bench
      const id = subscribe()
      bench.answer = () => broken
      dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'a'), rowOf(2, 'b')])
      await clock.pass(limits.expireMs + limits.retryMaxMs)
      assert.deepEqual([admin.get(id)!.queued, admin.get(id)!.dead_letters, dispatcher().waiting], [0, 3, 0])
      const [first, ...others] = admin.deadLetters(id, { limit: 1 })!
      assert.equal(others.length, 0)
      assert.deepEqual(
        [first!.event_id, first!.user_id, first!.reason, first!.error],
        ['pc_0', 'a', 'expired', 'ECONNREFUSED'],
      )
      assert.deepEqual(
        admin.deadLetters(id, { after: first!.cursor })!.map(({ event_id }) => event_id),
        ['pc_1', 'pc_2'],
      )
      const before = sent.length
      bench.answer = () => ok
      assert.deepEqual(admin.replay(id, { limit: 2 }), { replayed: 2, left: 1 })
      assert.deepEqual(admin.replay(id, {}), { replayed: 1, left: 0 })
      await clock.pass(editsMs + second)
      assert.deepEqual(
        sent
          .slice(before)
          .map((one) => one.id)
          .sort(),
        ['pc_0', 'pc_1', 'pc_2'],
      )
      assert.equal(admin.get(id)!.delivered, 3)
    }))

  it('with more than its queue holds has dead letters, and with more than those is switched off, saying so', () =>
    withBench(
      async (bench) => {
        const { subscribe, dispatcher, clock, sent, admin } = bench
        const [dead, well] = [subscribe({ url: 'https://dead.example/' }), subscribe()]
        bench.answer = ({ url }) => (url.includes('dead') ? broken : ok)
        for (let n = 0; n < 30; n++) {
          dispatcher().deliver([rowOf(n, `u${n}`)])
          await clock.pass(second)
        }
        const { queued, dead_letters, skipped, active, disabled } = admin.get(dead)!
        assert.deepEqual(
          [queued, dead_letters, skipped, active, disabled?.reason],
          [10, 5, 15, false, 'dead_letters_full'],
        )
        assert.equal(admin.get(well)!.delivered, 30)
        assert.equal(sent.filter(({ url }) => !url.includes('dead')).length, 30)
        assert.deepEqual(
          admin.deadLetters(dead, {})!.map(({ reason }) => reason),
          Array(5).fill('queue_full'),
        )
        assert.equal(admin.replay(dead, {})!.replayed, 0, 'there is no room')
      },
      { queueMax: 10, deadLettersMax: 5 },
    ))

  it('that is full keeps what expires in its queue, is switched off, and is so again when it is switched on', () =>
    withBench(
      async (bench) => {
        const { subscribe, dispatcher, clock, admin } = bench
        const id = subscribe()
        bench.answer = () => broken
        dispatcher().deliver(Array.from({ length: 6 }, (_, n) => rowOf(n, `u${n}`)))
        await clock.pass(limits.expireMs * 2)
        const { queued, dead_letters, active } = admin.get(id)!
        assert.deepEqual([queued, dead_letters, active], [2, 4, false])
      },
      { deadLettersMax: 4 },
    ))

  it('that is removed is sent nothing more, and leaves nothing', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin, store } = bench
      const [id, other] = [subscribe(), subscribe({ url: 'https://other.example/' })]
      bench.answer = () => broken
      dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'b')])
      await clock.pass(second)
      assert.equal(admin.remove(id), true)
      assert.equal(admin.remove(id), false)
      await clock.pass(editsMs)
      const before = sent.length
      await clock.pass(hour)
      assert.ok(sent.slice(before).every(({ url }) => url.includes('other')))
      assert.equal(store.refresh() && [...store.queue(id)].length, 0)
      assert.equal([...store.queue(other)].length, 2)
      assert.deepEqual(
        admin.list().map((one) => one.id),
        [other],
      )
    }))

  it('has nothing of an erased user, not even what is on its way', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin, store } = bench
      const id = subscribe()
      bench.answer = ({ body }) => (body.includes('"user_id":"b"') ? new Promise(() => undefined) : broken)
      dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'b'), rowOf(2, 'b')])
      await clock.pass(second)
      dispatcher().deliver([{ number: 3, userId: 'b' }, rowOf(4, 'c'), { number: 5, userId: 'c' }])
      await clock.pass(limits.expireMs + limits.retryMaxMs)
      assert.deepEqual(
        admin.deadLetters(id, {})!.map(({ user_id }) => user_id),
        ['a'],
      )
      dispatcher().deliver([{ number: 6, userId: 'a' }])
      assert.deepEqual(admin.deadLetters(id, {}), [])
      const { queued, dead_letters } = admin.get(id)!
      assert.deepEqual([queued, dead_letters, dispatcher().waiting], [0, 0, 0])
      assert.equal(sent.filter(({ body }) => body.includes('"user_id":"c"')).length, 0)
      assert.equal(store.next, 7)
    }))

  it('signs with the secret before for as long as it was given', () =>
    withBench(async ({ subscribe, admin, clock, restart }) => {
      const id = subscribe()
      assert.equal(admin.get(id)!.secrets, 1)
      const rotated = admin.rotate(id, { grace_hours: 2 })!
      assert.match(rotated.secret, /^whsec_/)
      assert.equal(rotated.webhook.secrets, 2)
      await clock.pass(2 * hour)
      restart()
      assert.equal(admin.get(id)!.secrets, 1)
      for (let n = 0; n < 10; n++) admin.rotate(id, { grace_hours: 24 })
      assert.equal(admin.get(id)!.secrets, 4)
      assert.equal(admin.rotate('wh_none', { grace_hours: 1 }), undefined)
      assert.ok(!JSON.stringify(admin.list()).includes('whsec_'))
    }))
})

type Step =
  | { readonly kind: 'deliver'; readonly users: readonly number[] }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'erase'; readonly user: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'redeliver' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('deliver' as const),
      users: fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(20_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('erase' as const), user: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'restart' as const }, { kind: 'redeliver' as const }) },
)

describe('whatever receivers answer and whenever it is started anew', () => {
  it('every change comes at least once, and the changes of a user in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 15 }),
        fc.array(fc.constantFrom(ok, broken, status(500), status(101), status(429, '3'), status(503)), {
          minLength: 1,
          maxLength: 12,
        }),
        (steps, answers) =>
          withBench(
            async (bench) => {
              const { subscribe, dispatcher, clock, sent } = bench
              subscribe()
              bench.answer = (_sent, n) => (n < 40 ? answers[n % answers.length]! : ok)
              const rows: ReturnType<typeof rowOf>[] = []
              const erased = new Map<string, number>()
              let number = 0
              for (const one of steps) {
                if (one.kind === 'deliver') {
                  const more = one.users.map((user) => rowOf(number++, `u${user}`))
                  rows.push(...more)
                  dispatcher().deliver(more)
                } else if (one.kind === 'pass') await clock.pass(one.ms)
                else if (one.kind === 'restart') bench.restart()
                else if (one.kind === 'redeliver') dispatcher().deliver(rows)
                else {
                  const row = { number: number++, userId: `u${one.user}` }
                  rows.push(row)
                  erased.set(row.userId, row.number)
                  dispatcher().deliver([row])
                }
              }
              await clock.pass(2 * hour)
              const seen = new Map<string, number[]>()
              for (const { body } of sent) {
                const { user_id, sequence } = JSON.parse(body) as { user_id: string; sequence: number }
                const of = seen.get(user_id) ?? []
                seen.set(user_id, of)
                if (!of.includes(sequence)) of.push(sequence)
              }
              for (const [user, sequences] of seen)
                assert.deepEqual(
                  sequences,
                  [...sequences].sort((a, b) => a - b),
                  user,
                )
              for (const row of rows) {
                if (!('json' in row)) continue
                const { user_id, sequence } = JSON.parse(row.json) as { user_id: string; sequence: number }
                if (row.number < (erased.get(user_id) ?? -1)) continue
                assert.ok(seen.get(user_id)?.includes(sequence), `change ${row.number} of ${user_id}`)
              }
              assert.equal(dispatcher().waiting, 0)
            },
            { retryMaxMs: 60 * second },
          ),
      ),
      { numRuns: 40, seed: 1 },
    )
  })
})
