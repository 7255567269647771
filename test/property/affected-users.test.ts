// Affected users: only those are re-walked whose walk an event can have changed.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import { weightsOf } from '../oracle/edges.ts'
import type { OracleEvent, OracleRecord } from '../oracle/model.ts'
import type { OracleStream } from '../oracle/stream.ts'
import type { Rig } from '../support/engine-harness.ts'
import { settingsArbitrary } from '../support/engine-settings.ts'
import { driveSteps, type Step } from '../support/engine-steps.ts'
import { hotScoreOf } from '../support/engine-view.ts'

describe('affected users', () => {
  it('an ordinary purchase re-walks its buyer alone, however many others bought the product', async () => {
    const others = range(50).map((nth) => buys(`other ${nth}`, 'tea'))
    const records = [
      labelled('alice'),
      buys('alice', 'tea'),
      ...others,
      buys('zoe', 'tea'),
      buys('zoe', 'tea'),
    ]
    const rewalks = await rewalksOf(records)
    assert.deepEqual(
      rewalks.slice(2, 52),
      range(50).map(() => 1),
    )
    assert.deepEqual(rewalks.slice(52), [1, 0], 'bought again: the edge weighs the same')
  })

  it('a prototype’s purchase re-walks the buyers who are none, and nobody when it moves b(p) too little', async () => {
    const prototypes = range(80).map((nth) => `prototype ${nth}`)
    const shoppers = range(30).map((nth) => buys(`shopper ${nth}`, 'tea'))
    const elsewhere = range(20).map((nth) => buys(`elsewhere ${nth}`, 'milk'))
    const bought = prototypes.map((user) => buys(user, 'tea'))
    const records = [labelled(...prototypes), ...shoppers, ...elsewhere, ...bought]
    const rewalks = (await rewalksOf(records)).slice(51)
    assert.ok(
      rewalks.every((count) => count === 30 || count === 0),
      `${rewalks}`,
    )
    assert.equal(rewalks[0], 30, 'the first makes b(p) out of nothing')
    assert.ok(rewalks.includes(0), 'some are too little')
    assert.ok(rewalks.slice(-20).filter((count) => count > 0).length < 5, 'the more hold it, the rarer')
  })

  it('a duplicate re-walks nobody', async () => {
    const records = [labelled('alice'), buys('bob', 'tea'), buys('alice', 'tea')]
    const rewalks = await rewalksOf([...records, ...records.slice(1), ...records.slice(1)])
    assert.deepEqual(rewalks, [0, 1, 1, 0, 0, 0, 0])
  })

  it('a new version re-walks whoever is no prototype and has a live edge; the same content nobody', async () => {
    const first = labelled('alice')
    const viewed = { ...buys('dan', 'tea'), type: 'view' as const }
    const returned = { ...buys('eve', 'tea'), type: 'return' as const }
    const records = [buys('alice', 'tea'), buys('bob', 'tea'), buys('bob', 'rye'), viewed, returned]
    const rewalks = await rewalksOf([...records, first, first, labelled('bob', 'new'), labelled('zoe')])
    assert.deepEqual(rewalks, [1, 1, 1, 1, 0, 2, 0, 2, 3])
  })

  for (const { name, size, numRuns } of [
    { name: 'few users', size: undefined, numRuns: 100 },
    { name: 'a crowd', size: crowdSize, numRuns: 6 },
  ])
    it(`who moved ⊆ who is re-walked ⊆ who can be affected, ${name}`, () =>
      fc.assert(
        fc.asyncProperty(recordsArbitrary(size), settingsArbitrary, (records, config) => {
          let before: ReadonlyMap<string, string>
          let prototypes: OracleStream['set']['shares']
          let content: string
          return driveSteps(
            records,
            { store: 'memory', config },
            {
              before: (rig, oracle) => {
                before = hotScores(rig)
                prototypes = oracle.set.shares
                content = oracle.set.content
              },
              after(step) {
                if (step.record.kind !== 'import') checkRewalks(step, { before, prototypes })
                else checkSwitch(step, step.oracle.set.content === content)
              },
            },
          )
        }),
        { numRuns },
      ))
})

/** An import of new content walks everybody anew who is walked at all. */
function checkSwitch({ rewalks, oracle }: Step, again: boolean): void {
  const products = new Set([...oracle.edges.values()].flatMap((edges) => [...edges.keys()]))
  assert.equal(rewalks, again ? 0 : buyersOf(oracle, products).size, 'walked anew by the new version')
}

function checkRewalks(
  { record, rewalks, outcome, oracle, rig, lines }: Step,
  { before, prototypes }: { before: ReadonlyMap<string, string>; prototypes: ReadonlyMap<string, unknown> },
): void {
  const now = hotScores(rig)
  const moved = [...now].filter(([user, score]) => before.has(user) && before.get(user) !== score)
  for (const [user] of moved) assert.ok(outcome.rewalks.has(user), `${user} moved`)
  for (const user of outcome.moved)
    assert.ok(!before.has(user) || before.get(user) !== now.get(user), `${user} did not move`)
  for (const line of lines)
    assert.ok(outcome.rewalks.has((JSON.parse(line) as { user_id: string }).user_id), 'only they change')
  assert.ok(rewalks >= outcome.moved.size, `${rewalks} re-walked, ${outcome.moved.size} moved`)
  assert.ok(rewalks <= outcome.rewalks.size, `${rewalks} re-walked, ${outcome.rewalks.size} may be`)
  const byPrototype = record.kind !== 'event' || prototypes.has(record.user_id)
  if (byPrototype)
    assert.equal(rewalks, buyersOf(oracle, outcome.published).size, 'buyers of what was published')
}

/** The new users who bought any of the products. */
function buyersOf(oracle: OracleStream, products: ReadonlySet<string>): Set<string> {
  const buyers = [...oracle.edges].filter(([, edges]) =>
    weightsOf(edges, oracle.config.repeat).some(([product]) => products.has(product)),
  )
  return new Set(buyers.map(([user]) => user).filter((user) => !oracle.set.shares.has(user)))
}

/** Scores in memory, as text to be compared. */
function hotScores({ engine, store }: Rig): Map<string, string> {
  const scores = new Map<string, string>()
  for (const user of store.users()) {
    const { userId, status } = store.user(user)!
    const score = status === 'prototype' ? undefined : hotScoreOf(engine, user)
    if (score !== undefined) scores.set(userId, JSON.stringify(score))
  }
  return scores
}

async function rewalksOf(records: readonly OracleRecord[]): Promise<number[]> {
  const counted: number[] = []
  await driveSteps(records, { store: 'memory' }, { after: ({ rewalks }) => counted.push(rewalks) })
  return counted
}

function labelled(...users: readonly string[]): OracleRecord {
  return {
    kind: 'import',
    labels: users.map((user_id, nth) => ({ user_id, personas: [nth % 2 === 0 ? 'Tea Lover' : 'Baker'] })),
  }
}

let events = 0

function buys(user_id: string, product_id: string): OracleEvent {
  events += 1
  const ts = '2024-05-01T10:00:00Z'
  return { kind: 'event', event_id: `event ${events}`, user_id, product_id, type: 'purchase', ts }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, nth) => nth)
}
