// What a hostile reading of delivery found, each as it was: receivers that ask for nothing with Retry-After, memory that
// grows with what waits for one user, a persona of an odd name, edits in the middle, and many erasures at once.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bodyOf } from '../../src/codec/webhook-body.ts'
import { secretBytesOf } from '../../src/codec/webhook-signature.ts'
import { urlProblem } from '../../src/sink/webhook/address.ts'
import { Lanes } from '../../src/sink/webhook/lanes.ts'
import { editsMs, ok, status, withBench } from '../support/webhook-bench.ts'
import { changeOf, rowOf } from '../support/webhook-changes.ts'

const hour = 3_600_000

describe('a receiver', () => {
  for (const answer of ['0', '-5', 'Thu, 01 Jan 1970 00:00:00 GMT', '1', 'soon', '2001-01-01'])
    it(`that answers 429 with Retry-After: ${answer} for ever is not asked round and round`, () =>
      withBench(async (bench) => {
        bench.subscribe()
        bench.answer = () => status(429, answer)
        bench.dispatcher().deliver([rowOf(0, 'a')])
        await bench.clock.pass(hour / 2)
        const most = answer === '1' ? 1801 : 60
        assert.ok(bench.sent.length > 3 && bench.sent.length <= most, `${bench.sent.length} attempts`)
      }))

  it('at a port of another service is refused', () => {
    const strict = { allowPrivate: false, allowHttp: true }
    for (const port of [1, 22, 25, 53, 465, 587, 993])
      assert.match(urlProblem(`https://crm.example:${port}/`, strict) ?? '', /port/, String(port))
    for (const port of [80, 443, 1024, 8443, 65535])
      assert.equal(urlProblem(`https://crm.example:${port}/`, strict), undefined, String(port))
    assert.equal(urlProblem('http://127.0.0.1:81/', { allowPrivate: true, allowHttp: true }), undefined)
  })
})

describe('what waits for one user', () => {
  it('behind a delivery that fails takes no memory beside itself', () => {
    const lanes = new Lanes()
    const item = (n: number) => ({ key: String(n).padStart(6, '0'), user: 'u', dueAt: 1e6 + n, queuedAt: 0 })
    for (let n = 0; n < 5000; n++) lanes.add(item(n))
    assert.ok(lanes.heads <= 2, `${lanes.heads} heads of one lane`)
    assert.equal(lanes.take(2e6)?.key, item(0).key)
    lanes.add(item(5000))
    lanes.retry(item(0).key, 3e6)
    assert.equal(lanes.dueAt, 3e6)
    lanes.remove(item(0).key)
    assert.equal(lanes.take(2e6)?.key, item(1).key)
  })

  it('is not sent again in another order because dead letters were put back meanwhile', () =>
    withBench(async (bench) => {
      const id = bench.subscribe()
      bench.dispatcher().deliver([rowOf(0, 'a'), rowOf(1, 'b')])
      await bench.clock.pass(editsMs - 5) // a little before edits are looked at
      bench.dispatcher().deliver([rowOf(2, 'a'), rowOf(3, 'a')])
      const subscription = bench.store.subscription(id)!
      bench.store.transact(() =>
        bench.store.putSubscription({ ...subscription, replays: subscription.replays + 1 }),
      )
      await bench.clock.pass(hour)
      const ids = bench.sent.map((one) => one.id)
      assert.deepEqual(ids.toSorted(), ['pc_0', 'pc_1', 'pc_2', 'pc_3'], 'each once')
      assert.equal(bench.admin.get(id)!.delivered, 4)
    }))
})

describe('a call of Segment', () => {
  it('says whether the persona was entered, whatever its name', () => {
    for (const persona of ['probability', 'primary', 'sequence', 'change_event_id', '__proto__', 'x'])
      for (const entering of [true, false]) {
        const held = [{ persona, probability: 0.5 }]
        const change = changeOf(entering ? { entered: held, exited: [] } : { entered: [], exited: held })
        const { text } = bodyOf(JSON.stringify(change), { format: 'segment', part: 0 })
        const { properties } = JSON.parse(text) as { properties: Record<string, unknown> }
        assert.equal(properties.audience_key, persona)
        assert.equal(Object.entries(properties).find(([name]) => name === persona)?.[1], entering, persona)
      }
  })
})

describe('a secret', () => {
  it('is one that every decoder of base64 takes', () => {
    const text = Buffer.alloc(24, 7).toString('base64')
    assert.ok(secretBytesOf(`whsec_${text}`) !== undefined)
    assert.equal(secretBytesOf(`whsec_${text}=`), undefined)
  })
})

describe('erasures', () => {
  it('that come together read the queue once, and leave what came after them', () =>
    withBench(
      async (bench) => {
        const id = bench.subscribe({ active: true })
        bench.answer = () => status(500)
        const users = Array.from({ length: 40 }, (_, n) => `u${n}`)
        bench.dispatcher().deliver(users.map((user, n) => rowOf(n, user)))
        const erased = users.slice(0, 30).map((userId, n) => ({ number: 100 + n, userId }))
        bench
          .dispatcher()
          .deliver([rowOf(90, 'u0'), rowOf(91, 'u35'), ...erased, rowOf(140, 'u0')] as Parameters<
            ReturnType<typeof bench.dispatcher>['deliver']
          >[0])
        const left = [...bench.store.queue(id)].map(({ event_id }) => event_id)
        const letters = bench.store.letters(id, { after: undefined, limit: 100 }).map((row) => row.event_id)
        const kept = users.slice(30).map((_, n) => `pc_${30 + n}`)
        assert.deepEqual([...left, ...letters].sort(), [...kept, 'pc_91', 'pc_140'].sort())
        bench.answer = () => ok
        await bench.clock.pass(72 * hour)
        assert.ok(bench.sent.every((one) => one.at >= 0))
        assert.equal(bench.admin.get(id)!.queued, 0)
      },
      { queueMax: 41 },
    ))
})
