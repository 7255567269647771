// Kindred as a batch over labelled users: exact vectors from some as prototypes, calibration leave-one-out on those, the
// content head cross-fitted on them, and predictions for others. The same core functions as the engine's.
import {
  type Calibration,
  fitCalibration,
  logDegreeOf,
  logLiftOf,
  logLossOf,
  oddsOf,
} from '../core/calibration.ts'
import {
  type ContentFit,
  type ContentModel,
  contentFolds,
  contentScoreOf,
  contentVector,
  fitContent,
} from '../core/content.ts'
import { sigmoid } from '../core/logistic.ts'
import type { LabelledGraph, LabelledUser } from './graph.ts'
import type { Predictions } from './metrics.ts'

/** Which evidence is read: the walk, the words, or both. */
export type Evidence = 'walk' | 'content' | 'both'

export type ModelPolicy = {
  /** Prior buyer's weight, thousandths. */
  readonly kappa: number
  readonly landingMassMin: number
}

/** M(p) and B(p) of prototypes in purchases, and the mean label shares. */
export type Vectors = { readonly mass: Float64Array; readonly b: Float64Array; readonly prior: Float64Array }

/** Sums over the prototypes' edges (DESIGN §1), in fractions of one. */
export function vectorsOf(graph: LabelledGraph, prototypes: readonly LabelledUser[]): Vectors {
  const personas = graph.personas.length
  const mass = new Float64Array(graph.words.length)
  const b = new Float64Array(graph.words.length * personas)
  const prior = new Float64Array(personas)
  for (const { products, weights, shares } of prototypes) {
    for (let c = 0; c < personas; c++) prior[c]! += shares[c]! / prototypes.length
    products.forEach((product, i) => {
      const weight = weights[i]! / 1000
      mass[product]! += weight
      for (let c = 0; c < personas; c++) b[product * personas + c]! += weight * shares[c]!
    })
  }
  return { mass, b, prior }
}

/** s(u) and its sum's share of W(u), z(u); with `own` shares the user's own label is taken out of every product. */
export function walkOf(
  { products, weights }: LabelledUser,
  { mass, b, prior }: Vectors,
  { kappa, own }: { kappa: number; own?: Float64Array },
): { readonly scores: Float64Array; readonly landingMass: number } {
  const personas = prior.length
  const scores = new Float64Array(personas)
  const k = kappa / 1000
  let total = 0
  let landed = 0
  for (let i = 0; i < products.length; i++) {
    const product = products[i]!
    const weight = weights[i]! / 1000
    total += weight
    const m = mass[product]! - (own === undefined ? 0 : weight)
    if (m <= 1e-9) continue
    const factor = (weight * m) / (m + k) / (m + k)
    landed += (weight * m) / (m + k)
    for (let c = 0; c < personas; c++) {
      const share = b[product * personas + c]! - (own === undefined ? 0 : weight * own[c]!)
      scores[c]! += factor * (share + k * prior[c]!)
    }
  }
  return { scores, landingMass: total === 0 ? 0 : landed / total }
}

/** Log lifts (C) of a walk; zeros, as if nothing were known, where it does not land. */
function liftsOf(
  user: LabelledUser,
  vectors: Vectors,
  { kappa, landingMassMin, own }: ModelPolicy & { own?: Float64Array },
) {
  const { scores, landingMass } = walkOf(user, vectors, own === undefined ? { kappa } : { kappa, own })
  const lands = landingMass > 0 && landingMass >= landingMassMin
  const total = scores.reduce((sum, value) => sum + value, 0)
  const lifts = new Float64Array(scores.length)
  if (lands)
    for (let c = 0; c < lifts.length; c++) lifts[c] = logLiftOf(scores[c]! / total, vectors.prior[c]!)
  return { lifts, lands }
}

/** v(p) of every product, made once a model. */
class ContentScores {
  readonly #model: ContentModel
  readonly #vectors: Float64Array
  readonly #known: Uint8Array

  constructor(model: ContentModel, words: LabelledGraph['words']) {
    const personas = model.bias.length
    this.#model = model
    this.#vectors = new Float64Array(words.length * personas)
    this.#known = Uint8Array.from(words, (list, p) =>
      contentVector(model, list, { out: this.#vectors, offset: p * personas }) ? 1 : 0,
    )
  }

  of({ products, weights }: LabelledUser): { scores: Float64Array; known: boolean } {
    const personas = this.#model.bias.length
    const sums = new Float64Array(personas)
    let weight = 0
    let known = false
    products.forEach((product, i) => {
      weight += weights[i]!
      known ||= this.#known[product] === 1
      for (let c = 0; c < personas; c++) sums[c]! += weights[i]! * this.#vectors[product * personas + c]!
    })
    return { scores: sums.map((x, c) => contentScoreOf(this.#model.bias[c]!, x, weight)), known }
  }
}

export type Model = {
  readonly evidence: Evidence
  readonly calibration: Calibration
  predict(users: readonly LabelledUser[]): Predictions
}

/** What the models of one prototype set share. */
export type Fitted = {
  readonly walk: Model
  readonly content: Model | undefined
  readonly both: Model | undefined
  /** Both where the prototypes say that words help (by log loss, a coefficient a persona more), else the walk. */
  readonly chosen: Model
}

/** Fits everything on `prototypes`; reads no other label. */
export function fitModels(
  graph: LabelledGraph,
  prototypes: readonly LabelledUser[],
  policy: ModelPolicy,
): Fitted {
  const personas = graph.personas.length
  const vectors = vectorsOf(graph, prototypes)
  const head = fitHead(graph, prototypes)
  const whole = head && new ContentScores(head.model, graph.words)
  const folds = head?.folds.map((model) => new ContentScores(model, graph.words))
  const walked = prototypes.map((user) => liftsOf(user, vectors, { ...policy, own: user.shares }))
  const read = prototypes.map((user, i) => folds?.at(i % contentFolds)?.of(user).scores)
  const labels = Uint8Array.from(prototypes.flatMap(({ labels }) => [...labels]))
  const zeros = new Float64Array(personas)
  const sampleOf = (evidence: Evidence) => ({
    personas,
    logLift: flat(walked.map(({ lifts }) => (evidence === 'content' ? zeros : lifts))),
    content: flat(read.map((scores) => (evidence === 'walk' ? zeros : scores!))),
    logDegree: Float64Array.from(prototypes, ({ weights }) => logDegreeOf(sumOf(weights))),
    labels,
  })
  const modelOf = (evidence: Evidence): Model & { loss: number } => {
    const sample = sampleOf(evidence)
    const calibration = fitCalibration(sample)
    return {
      evidence,
      calibration,
      loss: logLossOf(calibration, sample),
      predict: (users) => predict(users, { evidence, calibration, vectors, content: whole, policy }),
    }
  }
  const walk = modelOf('walk')
  if (head === undefined) return { walk, content: undefined, both: undefined, chosen: walk }
  const both = modelOf('both')
  return { walk, content: modelOf('content'), both, chosen: both.loss + personas < walk.loss ? both : walk }
}

function fitHead(graph: LabelledGraph, prototypes: readonly LabelledUser[]): ContentFit | undefined {
  return fitContent(
    prototypes.map(({ products, weights, labels }, i) => ({
      fold: i % contentFolds,
      weight: sumOf(weights),
      labels,
      products: Array.from(products, (product, j) => ({ words: graph.words[product]!, weight: weights[j]! })),
    })),
    graph.personas.length,
  )
}

function predict(
  users: readonly LabelledUser[],
  {
    evidence,
    calibration,
    vectors,
    content,
    policy,
  }: {
    evidence: Evidence
    calibration: Calibration
    vectors: Vectors
    content: ContentScores | undefined
    policy: ModelPolicy
  },
): Predictions {
  const personas = calibration.base.length
  const probabilities = new Float64Array(users.length * personas)
  const known = new Uint8Array(users.length)
  users.forEach((user, i) => {
    const { lifts, lands } = liftsOf(user, vectors, policy)
    const read = evidence === 'walk' ? undefined : content!.of(user)
    known[i] = (evidence !== 'content' && lands) || read?.known === true ? 1 : 0
    const logDegree = logDegreeOf(sumOf(user.weights))
    for (let c = 0; c < personas; c++)
      probabilities[i * personas + c] = sigmoid(
        known[i] === 0
          ? calibration.base[c]!
          : oddsOf(calibration, c, {
              logLift: evidence === 'content' ? 0 : lifts[c]!,
              content: read === undefined ? 0 : read.scores[c]!,
              logDegree,
            }),
      )
  })
  return { probabilities, known, held: heldFrom(probabilities, { known, enter: calibration.enter }) }
}

/** Held from a threshold on; unknown users hold nothing. */
export function heldFrom(
  probabilities: Float64Array,
  { known, enter }: { known: Uint8Array; enter: number },
): Uint8Array {
  const personas = probabilities.length / known.length
  return Uint8Array.from(probabilities, (p, at) =>
    known[Math.floor(at / personas)] === 1 && p >= enter ? 1 : 0,
  )
}

export function sumOf(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

export function flat(rows: readonly Float64Array[]): Float64Array {
  const width = rows[0]?.length ?? 0
  const all = new Float64Array(rows.length * width)
  for (const [i, row] of rows.entries()) all.set(row, i * width)
  return all
}
