// I4: an event and its undoing leave nothing behind, and erasing a user leaves what never having seen them would have.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import { distanceOf, distributionOf } from '../oracle/batch.ts'
import type { OracleEvent, OracleRecord } from '../oracle/model.ts'
import { drive } from '../support/engine-harness.ts'
import type { EngineView } from '../support/engine-view.ts'

const sequences = fc.oneof(
  { weight: 4, arbitrary: recordsArbitrary() },
  { weight: 1, arbitrary: recordsArbitrary(crowdSize) },
)
/** A detour: who does what, where it goes in and where its undoing does, in thousandths of the sequence. */
type Detour = { user: number; product: number; returns: boolean; quantity: number; from: number; to: number }
const thousandth = fc.nat({ max: 1000 })
const detours: fc.Arbitrary<Detour[]> = fc.array(
  fc.record({
    user: fc.nat({ max: 1000 }),
    product: fc.nat({ max: 1000 }),
    returns: fc.boolean(),
    quantity: fc.constantFrom(1, 2, 1_000_000_000),
    from: thousandth,
    to: thousandth,
  }),
  { minLength: 1, maxLength: 30 },
)
const delta = 0.02

describe('I4 reversibility', () => {
  it('I4 events and their undoing, in any interleaving, leave edges, W, B and M as without them, q nearly', () =>
    fc.assert(
      fc.asyncProperty(sequences, detours, fc.constantFrom(1, 50), async (drawn, detours, batchSize) => {
        const records = drawn.filter(({ kind }) => kind !== 'erase')
        const straight = await drive(records, { store: 'memory', batchSize })
        const detoured = await drive(withDetours(records, detours), { store: 'memory', batchSize })
        assertSameGraph(detoured.view, straight.view)
      }),
      { numRuns: 150 },
    ))

  it('I4 erasing a user leaves of edges, W, B and M what never having seen their events would have', () =>
    fc.assert(
      fc.asyncProperty(
        sequences,
        fc.nat({ max: 1000 }),
        fc.constantFrom(1, 50),
        async (drawn, nth, batchSize) => {
          const records = withoutRepeats(drawn.filter(({ kind }) => kind !== 'erase'))
          const erased = pick(usersOf(records), nth)
          const never = records.filter((record) => record.kind !== 'event' || record.user_id !== erased)
          const all: OracleRecord[] = [...records, { kind: 'erase', user_id: erased }]
          const [without, after] = [
            await drive(never, { store: 'memory', batchSize }),
            await drive(all, { store: 'memory', batchSize }),
          ]
          assert.equal(after.view.users.has(erased), false)
          assert.ok(
            after.changes.every((line) => JSON.parse(line).user_id !== erased),
            'no change events',
          )
          assertSameGraph(after.view, without.view, erased)
        },
      ),
      { numRuns: 150 },
    ))
})

/** Each detour is an event of its own with, later, the event that takes it back. */
function withDetours(records: readonly OracleRecord[], detours: readonly Detour[]): OracleRecord[] {
  const users = usersOf(records)
  const products = [...new Set(eventsOf(records).map(({ product_id }) => product_id)), 'a product of detours']
  const inserted = detours.flatMap(({ user, product, returns, quantity, from, to }, nth) => {
    const event = {
      kind: 'event',
      user_id: pick([...users, 'a user of detours'], user),
      product_id: pick(products, product),
      quantity,
      ts: '2021-01-01T00:00:00Z',
    } as const
    const there: OracleEvent = { ...event, event_id: `there ${nth}`, type: returns ? 'return' : 'purchase' }
    const back: OracleEvent = { ...event, event_id: `back ${nth}`, type: returns ? 'purchase' : 'return' }
    return [
      { at: Math.min(from, to), record: there },
      { at: Math.max(from, to), record: back },
    ]
  })
  inserted.sort((a, b) => a.at - b.at)
  const all: OracleRecord[] = []
  records.forEach((record, position) => {
    while (inserted.length > 0 && inserted[0]!.at * records.length < position * 1000)
      all.push(inserted.shift()!.record)
    all.push(record)
  })
  return [...all, ...inserted.map(({ record }) => record)]
}

/** Edges (but for times), W, B, M and buyers to the last bit, and q within 2 · delta. */
function assertSameGraph(actual: EngineView, expected: EngineView, except?: string): void {
  const nothing = { M: 0, B: expected.personas.map(() => 0), buyers: 0 }
  for (const [id, { M, B, buyers }] of actual.products) {
    const other = expected.products.get(id) ?? nothing
    assert.deepEqual({ M, B, buyers }, { M: other.M, B: other.B, buyers: other.buyers }, `product ${id}`)
  }
  for (const id of expected.products.keys()) assert.ok(actual.products.has(id), `product ${id} is there`)
  for (const [id, { edges, exact }] of actual.users) {
    const other = expected.users.get(id)
    assert.deepEqual(countsOf(edges), countsOf(other?.edges ?? {}), `edges of ${id}`)
    assert.equal(exact?.W, other === undefined ? 0 : other.exact?.W, `W of ${id}`)
    if (exact === undefined || other?.exact === undefined) continue
    const distance = distanceOf(distributionOf(exact), distributionOf(other.exact))
    assert.ok(distance <= 2 * delta, `q of ${id} is off by ${distance}`)
  }
  for (const id of expected.users.keys())
    assert.ok(actual.users.has(id) || id === except, `user ${id} is there`)
}

/** Of what is left of times nothing is said. */
function countsOf(edges: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const counts = Object.entries(edges).map(([product, edge]) => {
    const { net, views, carts, reviews } = edge as Record<string, number>
    return [product, { net, views, carts, reviews }]
  })
  return Object.fromEntries(counts)
}

function withoutRepeats(records: readonly OracleRecord[]): OracleRecord[] {
  const seen = new Set<string>()
  return records.filter((record) => {
    if (record.kind !== 'event') return true
    const isNew = !seen.has(record.event_id)
    seen.add(record.event_id)
    return isNew
  })
}

function eventsOf(records: readonly OracleRecord[]): OracleEvent[] {
  return records.filter((record) => record.kind === 'event')
}

function usersOf(records: readonly OracleRecord[]): string[] {
  const labelled = records.flatMap((record) => (record.kind === 'import' ? record.labels : []))
  return [...new Set([...eventsOf(records), ...labelled].map(({ user_id }) => user_id))]
}

function pick<T>(items: readonly T[], number: number): T {
  return items[number % items.length]!
}
