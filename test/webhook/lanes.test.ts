// The queue in memory against a model: a plain list that is searched through.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Item, Lanes } from '../../src/sink/webhook/lanes.ts'

type Step =
  | { readonly kind: 'add'; readonly number: number; readonly user: number; readonly due: number }
  | { readonly kind: 'take'; readonly now: number }
  | { readonly kind: 'done' | 'remove'; readonly pick: number }
  | { readonly kind: 'retry'; readonly pick: number; readonly due: number }
  | { readonly kind: 'expire'; readonly before: number }
  | { readonly kind: 'resume' }

const time = fc.integer({ min: 0, max: 20 })
const pick = fc.nat(50)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), number: fc.nat(60), user: fc.nat(4), due: time }),
  fc.record({ kind: fc.constant('take' as const), now: time }),
  fc.record({ kind: fc.constant('take' as const), now: fc.constant(20) }),
  fc.record({ kind: fc.constantFrom('done' as const, 'remove' as const), pick }),
  fc.record({ kind: fc.constant('retry' as const), pick, due: time }),
  fc.record({ kind: fc.constant('expire' as const), before: time }),
  fc.record({ kind: fc.constant('resume' as const) }),
)

type Row = { item: Item; inFlight: boolean }

/** What is due by the rule itself: of each user without anything in flight the first item, the longest due first. */
class Model {
  rows: Row[] = []

  get heads(): Row[] {
    const busy = new Set(this.rows.filter((row) => row.inFlight).map(({ item }) => item.user))
    const first = new Map<string, Row>()
    for (const row of this.rows) {
      const { user, key } = row.item
      const head = first.get(user)
      if (!busy.has(user) && (head === undefined || key < head.item.key)) first.set(user, row)
    }
    return [...first.values()].sort(
      (a, b) => a.item.dueAt - b.item.dueAt || (a.item.key < b.item.key ? -1 : 1),
    )
  }
}

describe('the queue of a subscription', () => {
  it('hands out what a model says, whatever is added, sent, retried, put back or erased', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80 }), (steps) => {
        const lanes = new Lanes()
        const model = new Model()
        for (const one of steps) {
          switch (one.kind) {
            case 'add': {
              const key = String(one.number).padStart(3, '0')
              const item = { key, user: `u${one.user}`, dueAt: one.due, queuedAt: one.due }
              if (!model.rows.some((row) => row.item.key === key)) model.rows.push({ item, inFlight: false })
              lanes.add(item)
              break
            }
            case 'take': {
              const head = model.heads[0]
              const due = head !== undefined && head.item.dueAt <= one.now ? head : undefined
              assert.deepEqual(lanes.take(one.now), due?.item)
              if (due !== undefined) due.inFlight = true
              break
            }
            case 'done':
            case 'remove': {
              const of = model.rows.filter((row) => one.kind === 'remove' || row.inFlight)
              const row = of[one.pick % Math.max(1, of.length)]
              if (row === undefined) break
              model.rows = model.rows.filter((other) => other !== row)
              lanes.remove(row.item.key)
              break
            }
            case 'retry': {
              const of = model.rows.filter((row) => row.inFlight)
              const row = of[one.pick % Math.max(1, of.length)]
              if (row === undefined) break
              row.inFlight = false
              row.item = { ...row.item, dueAt: one.due }
              lanes.retry(row.item.key, one.due)
              break
            }
            case 'resume':
              for (const row of model.rows)
                if (!row.inFlight)
                  row.item = { ...row.item, dueAt: Math.min(row.item.dueAt, row.item.queuedAt) }
              lanes.resume()
              break
            case 'expire': {
              const expected = model.rows
                .filter((row) => !row.inFlight && row.item.queuedAt < one.before)
                .map(({ item }) => item.key)
              const found = lanes.queuedBefore(one.before, 1000).map(({ key }) => key)
              assert.deepEqual(found.sort(), expected.sort())
              break
            }
          }
          assert.equal(lanes.size, model.rows.length)
          assert.equal(lanes.dueAt, model.heads[0]?.item.dueAt)
          const queued = model.rows.map(({ item }) => item.queuedAt).sort((a, b) => a - b)
          assert.equal(lanes.oldestQueuedAt, queued[0])
        }
      }),
      { numRuns: 500, seed: 1 },
    )
  })
})
