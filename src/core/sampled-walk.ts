// Longer walks for new users whose exact walk does not land: sampled, seeded, with a confidence interval, early
// stopping and a cap. Three moves (user → product → any buyer → product) are a two-step walk followed by the exact one.
import { publishedOne } from './limits.ts'
import type { Rng } from './rng.ts'
import { landsEnough } from './walk.ts'

/** The graph as the sampler reads it: one live edge drawn evenly from a list, which costs the same at a hub. */
export type WalkGraph = {
  /** Largest weight an edge of this graph has, thousandths. */
  readonly weightMax: number
  /** An edge of the user, or of the product, drawn evenly into `edge`; false when there is none. */
  drawProduct(user: number, rng: Rng, edge: WalkEdge): boolean
  drawUser(product: number, rng: Rng, edge: WalkEdge): boolean
  /** Copies b̂(p), whole numbers of 2⁻²⁴, into `out` (C entries). */
  publishedOf(product: number, out: Float64Array): void
}
export type WalkEdge = { neighbour: number; weight: number }

export type SamplingPolicy = {
  /** Walks of one length for one user at the most; 0 turns longer walks off. */
  readonly walksMax: number
  /** Walks between two looks at the interval. */
  readonly walksPerLook: number
  /** Stop when every persona's 95 % interval is narrower than ± this. */
  readonly halfWidthMin: number
  readonly landingMassMin: number
}

/** `scores`: sum of b̂ over the `walks` ends, whole numbers of 2⁻²⁴; `halfWidth`: widest 95 % interval of a q, ±. */
export type SampledScores = {
  readonly scores: Float64Array
  readonly walks: number
  readonly moves: number
  readonly landingMass: number
  readonly halfWidth: number
}

/** What was sampled at a position of the stream: it stands as it is until the user's next event. */
export type Snapshot = SampledScores & { readonly position: number }

const z95 = 1.96
/** Draws for one move: with the least weight a seventh of the largest, more never happen in practice. */
const drawsMax = 1000
const step: WalkEdge = { neighbour: 0, weight: 0 }

/** Walks of three moves, then of five; the first length that lands answers, undefined when neither does. */
export function sampleLongerWalks(
  graph: WalkGraph,
  user: number,
  options: { personas: number; policy: SamplingPolicy; rng: Rng },
): SampledScores | undefined {
  for (const moves of [3, 5]) {
    const result = sampleWalks(graph, user, { ...options, moves })
    if (result !== undefined && landsEnough(result.landingMass, options.policy)) return result
  }
  return undefined
}

/** Estimates the walk of `moves` (odd) weighted moves from `user`; undefined when it has nowhere to go. */
export function sampleWalks(
  graph: WalkGraph,
  user: number,
  { moves, personas, policy, rng }: { moves: number; personas: number; policy: SamplingPolicy; rng: Rng },
): SampledScores | undefined {
  if (policy.walksMax === 0 || !graph.drawProduct(user, rng, step)) return undefined
  const sums = new Moments(personas)
  const end = new Float64Array(personas)
  while (sums.walks < policy.walksMax) {
    graph.publishedOf(walkOnce(graph, user, { moves, rng }), end)
    sums.add(end)
    if (sums.walks % policy.walksPerLook === 0 && settled(sums, policy)) break
  }
  return {
    scores: sums.b,
    walks: sums.walks,
    moves,
    landingMass: sums.landingMass(),
    halfWidth: sums.halfWidth(),
  }
}

/** Enough seen: clearly not landing, or clearly landed with narrow intervals. */
function settled(sums: Moments, policy: SamplingPolicy): boolean {
  const mean = sums.landingMass()
  const error = z95 * sums.landingError()
  if (mean + error < policy.landingMassMin) return true
  return mean - error >= policy.landingMassMin && sums.halfWidth() <= policy.halfWidthMin
}

/** Where one walk ends. A drawn edge is kept in proportion to its weight; who was walked to has at least one edge. */
function walkOnce(graph: WalkGraph, start: number, { moves, rng }: { moves: number; rng: Rng }): number {
  let node = start
  for (let move = 1; move <= moves; move++) {
    for (let tries = 0; tries < drawsMax; tries++) {
      if (move % 2 === 1) graph.drawProduct(node, rng, step)
      else graph.drawUser(node, rng, step)
      if (step.weight === graph.weightMax || rng.below(graph.weightMax) < step.weight) break
    }
    node = step.neighbour
  }
  return node
}

/** First and second moments of the vectors b̂ at the walks' ends, for the ratio q = b / m (delta method). */
class Moments {
  walks = 0
  readonly b: Float64Array
  readonly #bb: Float64Array
  readonly #bm: Float64Array
  #m = 0
  #mm = 0

  constructor(personas: number) {
    this.b = new Float64Array(personas)
    this.#bb = new Float64Array(personas)
    this.#bm = new Float64Array(personas)
  }

  add(end: Float64Array): void {
    let mass = 0
    for (let c = 0; c < end.length; c++) mass += end[c]!
    mass /= publishedOne
    for (let c = 0; c < end.length; c++) {
      const share = end[c]! / publishedOne
      this.b[c]! += end[c]!
      this.#bb[c]! += share * share
      this.#bm[c]! += share * mass
    }
    this.#m += mass
    this.#mm += mass * mass
    this.walks++
  }

  landingMass(): number {
    return this.#m / this.walks
  }

  landingError(): number {
    const mean = this.landingMass()
    return Math.sqrt(Math.max(0, this.#mm / this.walks - mean * mean) / this.walks)
  }

  halfWidth(): number {
    if (this.#m === 0) return 1
    let widest = 0
    for (let c = 0; c < this.b.length; c++) {
      const q = this.b[c]! / publishedOne / this.#m
      const variance = (this.#bb[c]! - 2 * q * this.#bm[c]! + q * q * this.#mm) / (this.#m * this.#m)
      widest = Math.max(widest, z95 * Math.sqrt(Math.max(0, variance)))
    }
    return widest
  }
}
