// Whom to label: random, degree-stratified and Diversity–Uncertainty sampling at several budgets, the same labels, the
// same truth for all (users that no method may choose), several seeds.

import { join } from 'node:path'
import { vectorsOf, walkOf } from '../../src/core/fit.ts'
import type { LabelledGraph, LabelledUser } from '../../src/core/labelled.ts'
import { shuffled } from '../../src/core/shuffle.ts'
import { truthOf } from '../../src/evaluation/evaluate.ts'
import { meanAndSpread, type Quality, qualityOf } from '../../src/evaluation/metrics.ts'
import { fitModels } from '../../src/evaluation/model.ts'
import {
  type Candidate,
  chooseRound,
  type SamplingMethod,
  samplingMethods,
} from '../../src/labelling/sampling.ts'
import { type Experiment, graphOf, kindred, labelledYear, write } from './data.ts'

const policy = { kappa: 3000, landingMassMin: 0.05 }
const purchasesMin = 3
const truthShare = 0.3
const rounds = 4

export type SamplingTruth = ReturnType<typeof compareSampling>

/** The comparison on a labelled year. */
export async function samplingTruth(experiment: Experiment): Promise<SamplingTruth> {
  const { events, labels } = labelledYear(experiment)
  const data = join(experiment.dir, 'data')
  await kindred(['replay', write(experiment, 'events.ndjson', events), '--data', data])
  const graph = await graphOf(data, write(experiment, 'labels.ndjson', labels))
  return compareSampling(graph, {
    budgets: [0.02, 0.05, 0.1, 0.2],
    seeds: Array.from({ length: experiment.tiny ? 2 : 8 }, (_, i) => i + 1),
  })
}

/** Quality by budget and method: mean and spread over seeds. */
function compareSampling(
  graph: LabelledGraph,
  { budgets, seeds }: { budgets: readonly number[]; seeds: readonly number[] },
) {
  return budgets.map((budget) => ({
    budget,
    prototypes: Math.round(budget * graph.users.length),
    methods: Object.fromEntries(
      samplingMethods.map((method) => [
        method,
        meanAndSpread(seeds.map((seed) => qualityBy(graph, { method, budget, seed }))),
      ]),
    ) as Record<SamplingMethod, { mean: Quality; spread: Quality }>,
  }))
}

function qualityBy(
  graph: LabelledGraph,
  { method, budget, seed }: { method: SamplingMethod; budget: number; seed: number },
): Quality {
  const order = shuffled(graph.users, seed)
  const truth = order.slice(0, Math.round(truthShare * order.length))
  const pool = order.slice(truth.length).filter(({ products }) => products.length >= purchasesMin)
  const prototypes = chosenBy(graph, pool, { method, seed, count: Math.round(budget * graph.users.length) })
  const { chosen } = fitModels(graph, prototypes, policy)
  return qualityOf(chosen.predict(truth), truthOf(truth), graph.personas.length)
}

/** Rounds of a quarter of the budget each, labels of earlier rounds known. */
function chosenBy(
  graph: LabelledGraph,
  pool: readonly LabelledUser[],
  { method, seed, count }: { method: SamplingMethod; seed: number; count: number },
): LabelledUser[] {
  const chosen = new Map<string, LabelledUser>()
  const userOf = new Map(pool.map((user) => [user.userId, user]))
  for (let round = 0; round < rounds; round++) {
    const vectors = chosen.size === 0 ? undefined : vectorsOf(graph, [...chosen.values()])
    const candidates = pool
      .filter(({ userId }) => !chosen.has(userId))
      .map((user): Candidate => {
        const walk = vectors && walkOf(user, vectors, policy)
        const total = walk?.scores.reduce((sum, value) => sum + value, 0) ?? 0
        return {
          userId: user.userId,
          purchases: user.products.length,
          q: total === 0 ? undefined : walk!.scores.map((value) => value / total),
        }
      })
    const until = Math.round((count * (round + 1)) / rounds)
    const next = chooseRound(candidates, {
      method,
      seed,
      count: until - chosen.size,
      labelled: { distribution: vectors?.prior ?? new Float64Array(0), prototypes: chosen.size },
    })
    for (const { userId } of next) chosen.set(userId, userOf.get(userId)!)
  }
  return [...chosen.values()]
}
