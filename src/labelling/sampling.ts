// Whom to label: GPLR's Diversity–Uncertainty sampling (arXiv 2504.17304, §4.2), and random and degree-stratified sampling
// beside it. In rounds: what was labelled so far says who is worth a label next.
import { hashOrdered } from '../core/shuffle.ts'

export const samplingMethods = ['random', 'degree', 'du'] as const
export type SamplingMethod = (typeof samplingMethods)[number]

/** Who may be labelled: `purchases` are distinct products; `q` the walk to the prototypes so far, undefined before any. */
export type Candidate = {
  readonly userId: string
  readonly purchases: number
  readonly q: Float64Array | undefined
}

export type RoundOptions = {
  readonly method: SamplingMethod
  readonly count: number
  readonly seed: number
  /** Q̂: mean label distribution of the prototypes so far, and how many they are. */
  readonly labelled: { readonly distribution: Float64Array; readonly prototypes: number }
}

/**
 * Prototypes before which `du` chooses at random: a walk to fewer says too little of anybody to choose by. Measured on
 * Online Retail: with 69 labels DU from the second round on is behind random, with this it is ahead from 171 on.
 */
const prototypesMin = 60

/** Users of `count` degree strata of equal size, one from each: every kind of shopper, the small ones too. */
function byDegree(candidates: readonly Candidate[], count: number, seed: number): Candidate[] {
  const order = hashOrdered(candidates, seed).sort((a, b) => a.purchases - b.purchases)
  const strata = Math.min(count, order.length)
  const start = (stratum: number) => Math.floor((stratum * order.length) / strata)
  return Array.from({ length: strata }, (_, i) => hashOrdered(order.slice(start(i), start(i + 1)), seed)[0]!)
}

/** The candidates of one round, `count` at the most, none twice. */
export function chooseRound(
  candidates: readonly Candidate[],
  { method, count, seed, labelled }: RoundOptions,
): Candidate[] {
  if (method === 'degree') return byDegree(candidates, count, seed)
  const order = hashOrdered(candidates, seed)
  if (method === 'random' || labelled.prototypes < prototypesMin) return order.slice(0, count)
  const { distribution } = labelled
  const score = new Map(
    order.map((candidate) => [candidate, diversityUncertainty(candidate.q, distribution)]),
  )
  return order.sort((a, b) => score.get(b)! - score.get(a)!).slice(0, count)
}

/**
 * KL(Q̂ ‖ Q_u) + H(Q_u), nats: far from what is labelled already, and unsure. A walk that nothing is known of says what the
 * labels say on average: no divergence, their entropy.
 */
export function diversityUncertainty(q: Float64Array | undefined, labelled: Float64Array): number {
  const own = q ?? labelled
  let score = 0
  for (let c = 0; c < labelled.length; c++) {
    const p = Math.max(own[c]!, shareMin)
    if (labelled[c]! > 0) score += labelled[c]! * Math.log(labelled[c]! / p)
    if (own[c]! > 0) score -= own[c]! * Math.log(p)
  }
  return score
}

/** Least share told apart from none: a persona that a walk never meets does not make a user infinitely diverse. */
const shareMin = 1e-4
