/** The oracle against arithmetic done by hand, and its two halves against each other. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { realYear, skipRealData } from '../support/real-data.ts'
import { crowdSize, recordsArbitrary } from './arbitraries.ts'
import { batch, distanceOf, distributionOf, driftRatioOf, leaveOneOut, scoreOf } from './batch.ts'
import { foldEdges } from './edges.ts'
import { foldChanges } from './fold.ts'
import {
  defaultOracleConfig,
  type OracleConfig,
  type OracleEvent,
  type OracleLabel,
  type OracleRecord,
} from './model.ts'
import { foldPrototypes } from './prototypes.ts'
import { randomRecords } from './random-records.ts'
import { type OracleState, OracleStream, runStream } from './stream.ts'

const config = defaultOracleConfig
let bought = 0
const sumConfig: OracleConfig = { ...config, repeat: 'sum' }

describe('a shop worked out by hand', () => {
  // alice is A, bob is half A and half B, so prior = (.75, .25).
  const labels: OracleLabel[] = [
    { user_id: 'alice', personas: ['A'] },
    { user_id: 'bob', personas: ['A', 'B'] },
  ]
  const twoBuyers = shop(labels, buys('alice', 'tea'), buys('carol', 'tea'))
  const threeBuyers = [...twoBuyers, buys('bob', 'tea')]

  it('publishes the product of one prototype and decides for its other buyer', () => {
    const { state, changes, outcomes } = runStream(twoBuyers)
    // M = 1000, B = 1000 (1, 0), rho = 1000 / 4000 = .25
    // b = .25 (1000 + 3000 * .75, 3000 * .25) / 4000 = .25 (.8125, .1875) = (.203125, .046875)
    const published = [0.203125 * 2 ** 24, 0.046875 * 2 ** 24]
    assert.deepEqual(state.products.get('tea'), { M: 1000, B: [1000 * 2 ** 20, 0], published, rho: 0.25 })
    // One edge of 1000: S = 1000 b̂, z = .25, q = (.8125, .1875): both above the floor of .08.
    assert.deepEqual(state.users.get('carol'), {
      status: 'inferred',
      sequence: 1,
      W: 1000,
      S: published.map((entry) => 1000 * entry),
      held: ['A', 'B'],
      primary: 'A',
    })
    assert.deepEqual(
      changes.map(({ position, user_id, status, entered }) => [position, user_id, status, entered]),
      [
        [0, 'alice', 'prototype', ['A']],
        [0, 'bob', 'prototype', ['A', 'B']],
        [2, 'carol', 'inferred', ['A', 'B']],
      ],
    )
    assert.deepEqual(
      outcomes.map(({ rewalks }) => [...rewalks]),
      [[], [], ['carol']],
    )
  })

  it('re-publishes when a second prototype buys, and re-walks the buyers who are none', () => {
    const { state, outcomes } = runStream(threeBuyers)
    // M = 2000, B = (1500, 500), rho = 2000 / 5000 = .4
    // b = .4 (1500 + 2250, 500 + 750) / 5000 = .4 (.75, .25) = (.3, .1), as 2^-24: 5033164.8, 1677721.6
    // drift = |.3 - .203125| + |.1 - .046875| = .15 > .02 * .4
    assert.deepEqual(state.products.get('tea')?.published, [5033165, 1677722])
    assert.deepEqual(outcomes.at(-1), {
      changes: [], // q moves from (.8125, .1875) to (.75, .25): the same answer
      rewalks: new Set(['carol']),
      moved: new Set(['carol']),
      published: new Set(['tea']),
    })
  })

  it('leaves a prototype out of its own row', () => {
    const { edges, set, exact } = batchOf(threeBuyers)
    const own = leaveOneOut({ edges, set, config, products: exact.products, prototype: 'alice' })
    // Without alice: M = 1000, B = (500, 500), b = .25 (500 + 2250, 500 + 750) / 4000 = .25 (.6875, .3125)
    assert.deepEqual(own, { s: [0.171875, 0.078125], z: 0.25, q: [0.6875, 0.3125] })
  })

  it('takes an erased prototype out of B and M at once and out of the prior at the next import', () => {
    const erased: OracleRecord[] = [...threeBuyers, { kind: 'erase', user_id: 'bob' }]
    const { state, changes } = runStream(erased)
    assert.deepEqual(state.products.get('tea')?.published, [0.203125 * 2 ** 24, 0.046875 * 2 ** 24])
    assert.equal(state.users.has('bob'), false)
    assert.equal(
      changes.some((change) => change.position === 4),
      false,
    )
    // Only alice is left: prior = (1), b = .25 (1000 + 3000) / 4000 = .25; carol's B exits with its name.
    const next = runStream([...erased, { kind: 'import', labels: labels.slice(0, 1) }])
    assert.deepEqual(next.state.products.get('tea')?.published, [2 ** 22])
    assert.deepEqual(
      next.changes.filter((change) => change.position === 5),
      [
        {
          position: 5,
          user_id: 'carol',
          sequence: 2,
          status: 'inferred',
          entered: [],
          exited: ['B'],
          personas: ['A'],
          primary: 'A',
          previous_primary: 'A',
        },
      ],
    )
  })

  it('starts an erased user anew, and drops the events seen before all the same', () => {
    const { state } = runStream([
      ...twoBuyers,
      { kind: 'erase', user_id: 'carol' },
      twoBuyers[2]!,
      buys('carol', 'milk'),
    ])
    // milk has no prototype: W = 1000 but z = 0.
    const unknown = { status: 'unknown', sequence: 0, W: 1000, S: [0, 0], held: [], primary: null }
    assert.deepEqual(state.users.get('carol'), unknown)
  })

  it('carries a former prototype into the decision with its labels as held before', () => {
    const { state, changes } = runStream([
      ...threeBuyers,
      { kind: 'import', labels: [{ user_id: 'alice', personas: { A: 0.93, B: 0.07 } }] },
    ])
    // tea: M = 1000 and prior = alice's own row, so q(bob) is that row too: (.93, .07) up to rounding.
    // .07 would not enter (floor .08) but stays (floor - margin = .06), because bob's label held B.
    assert.deepEqual(state.users.get('bob')?.held, ['A', 'B'])
    assert.equal(state.users.get('bob')?.status, 'inferred')
    // So does carol, who held B by decision. alice: entered B by label.
    assert.deepEqual(
      changes.slice(3).map((change) => [change.user_id, change.status, change.entered, change.exited]),
      [
        ['alice', 'prototype', ['B'], []],
        ['bob', 'inferred', [], []],
      ],
    )
  })

  it('keeps an import of the same content from changing anything', () => {
    const again: OracleRecord = { kind: 'import', labels: [...labels].reverse() }
    assert.deepEqual(runStream([...threeBuyers, again]).state, runStream(threeBuyers).state)
  })

  it('calls a user unknown below 1000 thousandths, or below a landing mass of .05', () => {
    // A view: W = 300. Then 5 products of 1000 of which one lands: z = .25 / 5 = .05, just enough; of 6: not.
    const milk = [1, 2, 3, 4].map((nth) => buys('dave', `milk ${nth}`))
    const viewed = shop(labels, buys('alice', 'tea'), { ...buys('dave', 'tea'), type: 'view' })
    assert.equal(runStream(viewed).state.users.get('dave')?.status, 'unknown')
    const enough = [...viewed, buys('dave', 'tea'), ...milk]
    assert.equal(runStream(enough).state.users.get('dave')?.status, 'inferred')
    const { state, changes } = runStream([...enough, buys('dave', 'milk 5')])
    assert.deepEqual(state.users.get('dave')?.held, [])
    assert.deepEqual(changes.at(-1)?.exited, ['A', 'B'])
    assert.equal(changes.at(-1)?.primary, null)
  })
})

describe('stream against batch, on small dense sequences', () => {
  for (const [name, size] of [
    ['few', undefined],
    ['crowd', crowdSize],
  ] as const) {
    for (const settings of [config, sumConfig]) {
      it(`${name}, repeat ${settings.repeat}: I1 and I2 after every record, and the same W, B, M`, () => {
        const numRuns = name === 'few' ? 200 : 15
        fc.assert(
          fc.property(recordsArbitrary(size), (records) => {
            const stream = new OracleStream(settings)
            records.forEach((record, position) => {
              const outcome = stream.apply(record)
              for (const user of outcome.moved) assert.ok(outcome.rewalks.has(user))
              assertAgrees({ records: records.slice(0, position + 1), state: stream.state(), settings })
            })
          }),
          { numRuns },
        )
      })
    }
  }

  it('I6: folding the change events gives status, held set, primary and sequence', () => {
    fc.assert(
      fc.property(recordsArbitrary(), (records) => {
        const { state, changes } = runStream(records)
        assertFolds({ records, state, changes })
        const causes = changes.map((change) => JSON.stringify([change.position, change.user_id]))
        assert.equal(new Set(causes).size, causes.length, 'one change event per user and position')
      }),
      { numRuns: 500 },
    )
  })
})

describe('stream against batch, on a longer random shop', () => {
  it('agrees at the end, and folds', () => {
    const records = randomRecords({ seed: 7, events: 12_000, users: 300, products: 120 })
    const { state, changes } = runStream(records)
    assertAgrees({ records, state, settings: config })
    assertFolds({ records, state, changes })
    assert.deepEqual(records, randomRecords({ seed: 7, events: 12_000, users: 300, products: 120 }))
  })
})

describe('batch on a real year', () => {
  it('walks 4,372 users of 406,829 events', { skip: skipRealData }, () => {
    const { events, prototypes } = realYear()
    const records: OracleRecord[] = [...events, prototypes]
    const { exact } = batchOf(records)
    assert.equal(exact.walks.size, 4372)
    assert.equal(exact.products.size, 3684)
    for (const { rho, b } of exact.products.values()) {
      assert.ok(Math.abs(b.reduce((sum, entry) => sum + entry, 0) - rho) < 1e-12)
    }
  })
})

function batchOf(records: readonly OracleRecord[], settings = config) {
  const { edges, products } = foldEdges(records)
  const set = foldPrototypes(records)
  return { edges, set, exact: batch({ edges, products, set, config: settings }) }
}

function assertAgrees(options: {
  readonly records: readonly OracleRecord[]
  readonly state: OracleState
  readonly settings: OracleConfig
}): void {
  const { state, settings } = options
  const { edges, set, exact } = batchOf(options.records, settings)
  assert.deepEqual(new Set(state.products.keys()), new Set(exact.products.keys()))
  for (const [id, product] of exact.products) {
    const { M, B, rho, published } = state.products.get(id)!
    assert.deepEqual({ M, B, rho }, { M: product.M, B: product.B, rho: product.rho })
    const ratio = driftRatioOf({ published, product, delta: settings.delta })
    assert.ok(ratio <= 1, `I2: ${id} drifted by ${ratio} of what it may`)
  }
  for (const [id, user] of state.users) {
    const { W, S } = scoreOf({
      userEdges: edges.get(id),
      published: (product) => state.products.get(product)?.published,
      personaCount: set.personas.length,
      config: settings,
    })
    assert.equal(user.W, W)
    assert.equal(exact.weights.get(id) ?? 0, W)
    assert.equal(user.status === 'prototype', set.shares.has(id))
    assert.deepEqual(user.S, set.shares.has(id) ? null : S, 'I1')
    const q = exact.walks.get(id)?.q ?? []
    const bound = (2 * settings.delta) / (1 - settings.delta)
    assert.ok(distanceOf(distributionOf({ W, S }), q) <= bound, 'I2 of a user')
  }
}

function assertFolds(options: {
  readonly records: readonly OracleRecord[]
  readonly state: OracleState
  readonly changes: ReturnType<typeof runStream>['changes']
}): void {
  const folds = foldChanges(options)
  for (const [id, { status, sequence, held, primary }] of options.state.users) {
    const fold = folds.get(id) ?? { status: 'unknown', sequence: 0, held: new Set(), primary: null }
    assert.deepEqual(fold, { status, sequence, held: new Set(held), primary })
    folds.delete(id)
  }
  assert.equal(folds.size, 0, 'no change events of users who are not there')
}

/** An import, then events with ids of their own. */
function shop(labels: readonly OracleLabel[], ...events: readonly OracleEvent[]): OracleRecord[] {
  return [{ kind: 'import', labels }, ...events]
}

function buys(user_id: string, product_id: string): OracleEvent {
  bought += 1
  const event_id = `purchase ${bought}`
  return { kind: 'event', event_id, user_id, product_id, type: 'purchase', ts: '2024-05-01T10:00:00Z' }
}
