// Long reads in slices: one slice for each turn of the event loop, whoever reads; and explanations that pause while they read.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { importOf, parseLabels } from '../../src/codec/prototypes.ts'
import { configFrom } from '../../src/config.ts'
import type { UserId } from '../../src/core/ids.ts'
import { TransientError } from '../../src/errors.ts'
import { explain, explaining } from '../../src/lookup/explain.ts'
import { finish, longReadsMax, type Sliced, Slices, sorted } from '../../src/lookup/slices.ts'
import { Labels, snapshotOf } from '../../src/lookup/snapshot.ts'
import type { StoreReader } from '../../src/store/port.ts'
import { shop, usersOf, withApi } from '../support/api.ts'
import { controlBytes } from '../support/engine-records.ts'
import { eventOf } from '../support/events.ts'

/** Steps that take a while each; `done` is told of each. */
function* slow(steps: number, done: () => void): Sliced<number> {
  for (let n = 0; n < steps; n++) {
    for (const end = performance.now() + 0.3; performance.now() < end; );
    done()
    yield
  }
  return steps
}

describe('long reads', () => {
  it('have one slice for each turn of the event loop, all of them together', async () => {
    const slices = new Slices()
    const perTurn: Set<number>[] = [new Set()]
    let over = false
    const turn = () => {
      perTurn.push(new Set())
      if (!over) setImmediate(turn)
    }
    setImmediate(turn)
    const works = Array.from({ length: 6 }, (_, id) => slices.run(slow(40, () => perTurn.at(-1)!.add(id))))
    assert.deepEqual(await Promise.all(works), Array(6).fill(40))
    over = true
    assert.ok(perTurn.every((ids) => ids.size <= 1))
    assert.ok(perTurn.filter((ids) => ids.size === 1).length > 20)
  })

  it('past the limit are refused, and end when the service does', async () => {
    const slices = new Slices()
    const works = Array.from({ length: longReadsMax }, () => slices.run(slow(1000, () => undefined)))
    const ended = works.map((work) => assert.rejects(work, TransientError))
    await assert.rejects(slices.run(slow(1, () => undefined)), /long reads are under way/)
    slices.close()
    await Promise.all(ended)
  })

  it('sort as others do', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 3000 }), (list) => {
        const pairs = list.map((value, n) => ({ value, n }))
        const compare = (a: { value: number }, b: { value: number }) => a.value - b.value
        assert.deepEqual(finish(sorted(pairs, compare)), pairs.toSorted(compare))
      }),
      { numRuns: 60, seed: 7 },
    )
  })
})

describe('an explanation of who bought very much', () => {
  const products = 3000
  const { user_id: prototype } = JSON.parse(shop.prototypes[0]!) as { user_id: string }
  const hub = Array.from({ length: products }, (_, n) =>
    ['hub', prototype].map((user_id) =>
      eventOf({ event_id: `${user_id}-${n}`, user_id, product_id: `p${n}` }),
    ),
  ).flat()

  it('reads a few rows between pauses, and says what it says without them', () =>
    withApi({ events: hub }, async ({ rig }) => {
      let reads = 0
      const counted = new Proxy(rig.store as StoreReader, {
        get(target, name) {
          const value = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          return (...args: unknown[]) => {
            reads++
            return value.apply(target, args)
          }
        },
      })
      const config = configFrom({})
      const user = usersOf({ rig }).inferred[0]!
      for (const userId of ['hub', user]) {
        const work = explaining(snapshotOf(counted, config), { userId, labels: new Labels(counted) })
        for (let steps = 0; ; steps++) {
          reads = 0
          const { done, value } = work.next()
          assert.ok(reads < 200, `${reads} reads in step ${steps}`)
          if (done !== true) continue
          assert.deepEqual(value, explain(snapshotOf(rig.store, config), { userId }))
          if (userId === 'hub') assert.ok(steps > products / 32)
          break
        }
      }
    }))

  it('is of one version and of users who are there, whatever is switched to or erased in its pauses', () =>
    withApi({ events: hub.slice(0, 400) }, async ({ rig, apply }) => {
      const snapshot = snapshotOf(rig.store, configFrom({}))
      const labels = new Labels(rig.store)
      let version = 1
      /** Other personas, and more of them, by the same prototypes. */
      const turnOver = () => {
        version++
        const personas = Object.fromEntries(
          Array.from({ length: 3 + (version % 2) * 6 }, (_, n) => [`v${version}-${n}`, 1]),
        )
        const lines = shop.prototypes.map((line) => JSON.stringify({ ...JSON.parse(line), personas }))
        const set = importOf(parseLabels(lines.join('\n'), 'prototypes'))
        apply([controlBytes({ kind: 'import', set }), controlBytes({ kind: 'switch', version })])
      }
      for (let pauses = 1, over = false; !over; pauses++) {
        const work = explaining(snapshot, { userId: 'hub', labels })
        for (let n = 0; n < pauses && !over; n++) over = work.next().done === true
        turnOver()
        if (!over) assert.deepEqual(finish(work), explain(snapshot, { userId: 'hub' }))
      }
      const restless = explaining(snapshot, { userId: 'hub', labels })
      assert.throws(() => {
        while (restless.next().done !== true) turnOver()
      }, TransientError)
      const late = explaining(snapshot, { userId: 'hub', labels })
      late.next()
      apply([controlBytes({ kind: 'erase', userId: 'hub' as UserId })])
      assert.equal(finish(late), undefined)
    }))

  it('reads labels once for all explanations of a version', () =>
    withApi({}, async ({ rig }) => {
      let read = 0
      const counted = new Proxy(rig.store as StoreReader, {
        get(target, name) {
          if (name === 'labels') read++
          const value = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      const labels = new Labels(counted)
      const config = configFrom({})
      const users = usersOf({ rig }).inferred.slice(0, 10)
      for (const userId of users)
        assert.ok(finish(explaining(snapshotOf(counted, config), { userId, labels })) !== undefined)
      assert.equal(read, 1)
    }))
})
