// A receiver that asks to be left alone (Retry-After): for how long it is, over restarts, and what ends it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { broken, editsMs, ok, status, withBench } from '../support/webhook-bench.ts'
import { rowOf } from '../support/webhook-changes.ts'

const second = 1000
const hour = 3600 * second
const asked = status(429, '3600')

describe('the pause that a receiver asks for', () => {
  it('outlives a restart, for what comes after it too', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin } = bench
      const paused = subscribe()
      subscribe({ url: 'https://well.example/' })
      bench.answer = ({ url }) => (url.includes('well') ? ok : asked)
      dispatcher().deliver([rowOf(0, 'a')])
      await clock.pass(second)
      bench.restart()
      bench.answer = () => ok
      dispatcher().deliver([rowOf(1, 'b'), rowOf(2, 'a')])
      await clock.pass(hour - 3 * second)
      bench.restart()
      assert.deepEqual(
        sent.filter(({ url }) => url.includes('crm')).map(({ id }) => id),
        ['pc_0'],
        'nothing comes before',
      )
      assert.equal(sent.length, 4, 'others are not kept waiting')
      await clock.pass(3 * second)
      assert.equal(admin.get(paused)!.delivered, 3)
      assert.deepEqual(
        Object.keys(admin.get(paused)!).filter((name) => name.includes('paused')),
        [],
      )
    }))

  for (const [why, answer] of [
    ['asked to be left alone', asked],
    ['failed', broken],
  ] as const)
    for (const [what, patch] of [
      ['another URL', { url: 'https://new.example/' }],
      ['being switched on, where it is on already', { active: true }],
      ['being switched off and on', { active: false }],
    ] as const)
      for (const restarted of [false, true])
        it(`of one that ${why} ends with ${what}${restarted ? ', over a restart' : ''}: in order, at its pace`, () =>
          withBench(
            async (bench) => {
              const { subscribe, dispatcher, clock, sent, admin } = bench
              const id = subscribe()
              bench.answer = () => answer
              const rows = Array.from({ length: 40 }, (_, n) => rowOf(n, `u${n % 20}`))
              dispatcher().deliver(rows)
              await clock.pass(6 * hour)
              const before = sent.length
              bench.answer = () => ok
              admin.patch(id, patch)
              if ('active' in patch && !patch.active) {
                await clock.pass(editsMs)
                const off = sent.length
                await clock.pass(6 * hour)
                assert.equal(sent.length, off)
                admin.patch(id, { active: true })
              }
              if (restarted) bench.restart()
              await clock.pass(editsMs + 4 * second)
              assert.equal(admin.get(id)!.delivered, rows.length)
              const after = sent.slice(before)
              const ids = after.map((one) => one.id)
              for (let n = 0; n < 20; n++) assert.ok(ids.indexOf(`pc_${n}`) < ids.indexOf(`pc_${n + 20}`))
              for (const { at } of after) {
                const within = after.filter((other) => other.at >= at && other.at < at + second).length
                assert.ok(within <= 20 * 1.25, `${within} within a second`)
              }
            },
            { perSecondMax: 20 },
          ))

  it('goes on over an edit of the filter, or the same URL again', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin } = bench
      const id = subscribe()
      bench.answer = () => asked
      dispatcher().deliver([rowOf(0, 'a')])
      await clock.pass(second)
      admin.patch(id, { filter: { personas: ['Baker'] }, url: admin.get(id)!.url })
      await clock.pass(editsMs)
      bench.restart()
      dispatcher().deliver([rowOf(1, 'b')])
      await clock.pass(hour / 2)
      assert.equal(sent.length, 1)
    }))
})

describe('what the receiver at the URL before answers is none of the new one’s, where it', () => {
  for (const [what, late] of [
    ['is gone', status(410)],
    ['asks to be left alone', asked],
    ['fails', broken],
  ] as const)
    for (const ms of [0, 2 * second])
      it(`${what} ${ms === 0 ? 'a moment before' : 'after'} the edit`, () =>
        withBench(async (bench) => {
          const { subscribe, dispatcher, clock, sent, admin, warnings } = bench
          const id = subscribe()
          bench.answer = ({ url }) =>
            url.includes('new') ? ok : new Promise((resolve) => clock.after(ms, () => resolve(late)))
          dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'a')])
          await clock.pass(1)
          admin.patch(id, { url: 'https://new.example/' })
          await clock.pass(ms === 0 ? editsMs : ms) // edits are looked at later than it answers
          assert.deepEqual(
            sent.slice(-2).map((one) => [one.id, new URL(one.url).hostname]),
            [
              ['pc_0', 'new.example'],
              ['pc_1', 'new.example'],
            ],
          )
          await clock.pass(second)
          assert.deepEqual([admin.get(id)!.active, admin.get(id)!.delivered], [true, 2])
          if (ms > 0) assert.ok(!warnings.some((one) => one.includes('switched off')), String(warnings))
        }))
})
