// Longer walks: the sampler against exact two- and four-step walks (each followed by the exact step to a label), its
// determinism, its intervals, and when it stops.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { publishedOne } from '../../src/core/limits.ts'
import { rngFor } from '../../src/core/rng.ts'
import { type SamplingPolicy, sampleLongerWalks, sampleWalks } from '../../src/core/sampled-walk.ts'
import { weightsOf } from '../oracle/edges.ts'
import { randomRecords } from '../oracle/random-records.ts'
import { driveSteps, type Step } from '../support/engine-steps.ts'
import {
  exactEnds,
  type Graph,
  graphArbitrary,
  graphOf,
  momentsOf,
  walkGraphOf,
} from '../support/walk-graphs.ts'

/** Never looks, so never stops early. */
const all: SamplingPolicy = { walksMax: 20_000, walksPerLook: 2 ** 31, halfWidthMin: 0, landingMassMin: 0 }
const graphs = fc.sample(graphArbitrary, { seed: 20_240_501, numRuns: 25 })
const one = publishedOne

describe('sampled walks', () => {
  for (const moves of [3, 5])
    it(`estimate walks of ${moves} moves within 4 standard errors of the sparse product`, () => {
      graphs.forEach((graph, seed) => {
        const { mean, deviation } = momentsOf(graph, 0, moves)
        const { scores, walks } = sample(graph, { moves, seed, policy: all })!
        assert.equal(walks, all.walksMax)
        mean.forEach((expected, persona) => {
          const error = Math.abs(scores[persona]! / walks - expected)
          const standard = deviation[persona]! / Math.sqrt(walks)
          assert.ok(error <= 4 * standard + 1e-6, `graph ${seed}: off by ${error / standard} standard errors`)
        })
      })
    })

  it('are a function of seed, user and position, and of nothing else', () => {
    const names = [
      { seed: 1, text: 'ann', position: 7 },
      { seed: 2, text: 'ann', position: 7 },
      { seed: 1, text: 'ben', position: 7 },
      { seed: 1, text: 'ann', position: 8 },
      { seed: 1, text: 'ann', position: 7 + 2 ** 32 },
    ]
    const streams = names.map((name) => {
      const [rng, again] = [rngFor(name), rngFor(name)]
      const drawn = Array.from({ length: 50 }, () => rng.below(1000))
      assert.deepEqual(
        Array.from({ length: 50 }, () => again.below(1000)),
        drawn,
      )
      return JSON.stringify(drawn)
    })
    assert.equal(new Set(streams).size, names.length)
    const graph = graphs[0]!
    const policy = { ...all, walksMax: 64 }
    assert.deepEqual(
      sample(graph, { moves: 3, seed: 1, policy }),
      sample(graph, { moves: 3, seed: 1, policy }),
    )
    assert.notDeepEqual(
      sample(graph, { moves: 3, seed: 1, policy }),
      sample(graph, { moves: 3, seed: 2, policy }),
    )
  })

  it('draw evenly: no number below a bound is drawn much more often than another', () => {
    const rng = rngFor({ seed: 3, text: 'even', position: 0 })
    const counts = new Array<number>(7).fill(0)
    for (let draw = 0; draw < 70_000; draw++) counts[rng.below(7)]!++
    for (const count of counts) assert.ok(Math.abs(count - 10_000) < 4 * Math.sqrt(10_000), `${counts}`)
  })

  it('stop early when they clearly land with narrow intervals, or clearly do not land; never past the cap', () => {
    const policy = { walksMax: 1000, walksPerLook: 32, halfWidthMin: 0.05, landingMassMin: 0.05 }
    const landing = sample(ring([0.5 * one, 0, 0]), { moves: 3, seed: 1, policy })!
    assert.deepEqual([landing.walks, landing.halfWidth], [32, 0], 'all walks end alike: one look is enough')
    const nowhere = sample(ring([0.001 * one, 0, 0]), { moves: 3, seed: 1, policy })!
    assert.equal(nowhere.walks, 32)
    for (const [seed, graph] of graphs.entries()) {
      const { walks, halfWidth, landingMass } = sample(graph, { moves: 3, seed, policy })!
      assert.ok(walks <= 1000 && (walks === 1000 || walks % 32 === 0), `${walks} walks`)
      const stopped = walks < 1000
      if (stopped && landingMass >= 0.05) assert.ok(halfWidth <= 0.05)
    }
    const narrow = { ...policy, halfWidthMin: 0 }
    const capped = graphs.map((graph, seed) => sample(graph, { moves: 3, seed, policy: narrow })!.walks)
    assert.ok(capped.includes(1000), 'some go on to the cap')
  })

  it('take three moves, five where three do not land, and none where neither does', () => {
    const policy = { walksMax: 256, walksPerLook: 32, halfWidthMin: 0.05, landingMassMin: 0.05 }
    const longer = (graph: Graph, user = 0, changed: Partial<SamplingPolicy> = {}) =>
      sampleLongerWalks(walkGraphOf(graph), user, {
        personas: graph.personas,
        policy: { ...policy, ...changed },
        rng: rngFor({ seed: 1, text: 'ann', position: 0 }),
      })
    // ann – tea – ben – milk – cleo – bread: labels stand behind one of them
    const chain = (labelled: number) =>
      graphOf(
        [
          { user: 0, product: 0, weight: 1000 },
          { user: 1, product: 0, weight: 1000 },
          { user: 1, product: 1, weight: 1000 },
          { user: 2, product: 1, weight: 1000 },
          { user: 2, product: 2, weight: 1000 },
        ],
        [0, 1, 2].map((product) => (product === labelled ? [0.6 * one, 0.2 * one] : [0, 0])),
      )
    assert.equal(longer(chain(1))?.moves, 3)
    assert.equal(longer(chain(2))?.moves, 5)
    assert.equal(longer(chain(9)), undefined)
    assert.equal(longer(chain(1), 77), undefined, 'a user without edges')
    assert.equal(longer(chain(1), 0, { walksMax: 0 }), undefined, 'turned off')
    const { scores } = longer(chain(1))!
    assert.equal(scores[0], 3 * scores[1]!)
  })

  it('give intervals that hold what they promise', () => {
    const graph = graphs.find((candidate) =>
      momentsOf(candidate, 0, 3).mean.every((mean) => mean > 0.02 * one),
    )!
    const { mean } = momentsOf(graph, 0, 3)
    const total = mean.reduce((sum, entry) => sum + entry, 0)
    const policy = { ...all, walksMax: 400 }
    const runs = Array.from({ length: 500 }, (_, seed) => sample(graph, { moves: 3, seed, policy })!)
    const misses = mean.map((entry, persona) => {
      const outside = runs.filter(({ scores, halfWidth }) => {
        const landed = scores.reduce((sum, score) => sum + score, 0)
        return Math.abs(scores[persona]! / landed - entry / total) > halfWidth
      })
      return outside.length / runs.length
    })
    assert.ok(Math.max(...misses) < 0.08, `outside of the 95 % interval: ${misses}`)
    assert.ok(Math.max(...misses) > 0.01, 'and it is not much too wide')
  })
})

describe('sampled answers of the engine', () => {
  it('estimate the walk over all buyers at the user’s own event, and stand until the next', async () => {
    const records = randomRecords({ seed: 19, events: 900, users: 60, products: 300, prototypeEvery: 20 })
    const policy = {
      sampling: { walksMax: 1500, walksPerLook: 1500, halfWidthMin: 0, landingMassMin: 0.05 },
    }
    let [checked, rewalked] = [0, 0]
    let before = new Map<string, string>()
    await driveSteps(
      records,
      { store: 'memory', policy },
      {
        after: (step) => {
          const { record } = step
          const sampled = sampledRows(step)
          const own = record.kind === 'event' ? record.user_id : undefined
          if (own !== undefined && sampled.has(own) && sampled.get(own) !== before.get(own)) {
            checkEstimate(step, own)
            checked++
          }
          for (const [user, row] of own === undefined ? [] : before) {
            if (user === own || methodOf(step, user) === 'exact') continue // walked anew, or landed by itself
            assert.equal(sampled.get(user), row, `${user} is touched by nobody else`)
            if (step.outcome.rewalks.has(user)) rewalked++
          }
          before = sampled
        },
      },
    )
    assert.ok(checked > 50 && rewalked > 5, `${checked} checked, ${rewalked} stood a re-walk`)
  })
})

/** The ends' sums are near those of the exact walk of three moves, or of five where three hardly land. */
function checkEstimate({ oracle, rig }: Step, userId: string): void {
  const { graph, user } = wholeGraph(oracle, userId)
  const { scores, scoreWeight } = rig.store.user(rig.store.userIndexOf(userId)!)!
  const near = [3, 5].filter((moves) => {
    const { mean, deviation } = momentsOf(graph, user, moves)
    return mean.every((expected, persona) => {
      const standard = deviation[persona]! / Math.sqrt(scoreWeight)
      return Math.abs(scores[persona]! / scoreWeight - expected) <= 4 * standard + 1e-6
    })
  })
  const landing = momentsOf(graph, user, 3).mean.reduce((sum, entry) => sum + entry, 0) / one
  assert.ok(near.length > 0, `${userId} is estimated far from both walks`)
  assert.ok(near.includes(3) || landing < 0.06, `${userId}: three moves land with ${landing}`)
}

/** All live edges and published vectors of the oracle, by numbers. */
function wholeGraph(oracle: Step['oracle'], userId: string): { graph: Graph; user: number } {
  const users = [...oracle.edges.keys()]
  const { products, personas } = oracle.state()
  const productIds = [...products.keys()]
  const number = new Map(productIds.map((id, nth) => [id, nth]))
  const edges = users.flatMap((id, user) =>
    weightsOf(oracle.edges.get(id), oracle.config.repeat).map(([product, weight]) => ({
      user,
      product: number.get(product)!,
      weight,
    })),
  )
  const vectors = productIds.map((id) => products.get(id)!.published)
  return { graph: { ...graphOf(edges, vectors), personas: personas.length }, user: users.indexOf(userId) }
}

function methodOf({ rig: { store } }: Step, userId: string): string | undefined {
  return store.user(store.userIndexOf(userId)!)?.method
}

function sampledRows({ rig: { store } }: Step): Map<string, string> {
  const rows = [...store.users()]
    .map((user) => store.user(user)!)
    .filter(({ method }) => method === 'sampled')
  return new Map(rows.map(({ userId, scores, scoreWeight }) => [userId, `${scoreWeight}: ${scores}`]))
}

function sample(graph: Graph, options: { moves: number; seed: number; policy: SamplingPolicy }) {
  const { moves, seed, policy } = options
  const rng = rngFor({ seed, text: 'ann', position: 0 })
  return sampleWalks(walkGraphOf(graph), 0, { moves, personas: graph.personas, policy, rng })
}

/** Everybody buys everything, and every product publishes the same. */
function ring(published: readonly number[]): Graph {
  const places = [0, 1, 2, 3]
  const edges = places.flatMap((user) => places.map((product) => ({ user, product, weight: 1000 })))
  const graph = graphOf(
    edges,
    places.map(() => published),
  )
  assert.equal(exactEnds(graph, 0, 3).size, places.length)
  return graph
}
