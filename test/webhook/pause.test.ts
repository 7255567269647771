// A receiver that asks to be left alone (Retry-After): for how long it is, over restarts, and what ends it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ok, status, withBench } from '../support/webhook-bench.ts'
import { rowOf } from '../support/webhook-changes.ts'

const second = 1000
const hour = 3600 * second

describe('the pause that a receiver asks for', () => {
  it('outlives a restart, for what comes after it too', () =>
    withBench(async (bench) => {
      const { subscribe, dispatcher, clock, sent, admin } = bench
      const paused = subscribe()
      subscribe({ url: 'https://well.example/' })
      bench.answer = ({ url }) => (url.includes('well') ? ok : status(429, '3600'))
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
})
