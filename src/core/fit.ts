// Fitting to prototypes: walks leave-one-out, words out of fold, and the calibration that reads both. Nothing but the
// prototypes' own edges and labels is read, in their order: the same prototypes give the same bits.
import {
  type Calibration,
  type CalibrationSample,
  fitCalibration,
  logDegreeOf,
  logLiftOf,
  logLossOf,
} from './calibration.ts'
import {
  type ContentFit,
  type ContentModel,
  contentFolds,
  contentScoreOf,
  contentVector,
  fitContent,
} from './content.ts'
import { earlier, type LabelledGraph, type LabelledUser, weightOf } from './labelled.ts'
import { calibrationRowsMax, contentRowsMax } from './limits.ts'
import { rngFor } from './rng.ts'

/** Which evidence is read: the walk, the words, or both. */
export type Evidence = 'walk' | 'content' | 'both'

export type FitPolicy = {
  /** Prior buyer's weight, thousandths. */
  readonly kappa: number
  readonly landingMassMin: number
}

/** M(p) and B(p) of prototypes in purchases, and the mean label shares. */
export type Vectors = { readonly mass: Float64Array; readonly b: Float64Array; readonly prior: Float64Array }

/**
 * Every eighth prototype is read a second time as it was when it had bought so many products, in turn: who has bought
 * little yet is not the same as who never buys more, and probabilities must hold for both.
 */
const earlyEvery = 8
const earlyMarks = [1, 2, 4, 8, 16, 32, 64] as const

/** Sums over the prototypes' edges (DESIGN §1), in fractions of one. */
export function vectorsOf(graph: LabelledGraph, prototypes: readonly LabelledUser[]): Vectors {
  const personas = graph.personas.length
  const mass = new Float64Array(graph.words.length)
  const b = new Float64Array(graph.words.length * personas)
  const prior = new Float64Array(personas)
  for (const { products, weights, shares } of prototypes) {
    for (let c = 0; c < personas; c++) prior[c]! += shares[c]! / prototypes.length
    for (const [i, product] of products.entries()) {
      const weight = weights[i]! / 1000
      mass[product]! += weight
      for (let c = 0; c < personas; c++) b[product * personas + c]! += weight * shares[c]!
    }
  }
  return { mass, b, prior }
}

/** s(u) times W(u), and z(u); with `own` shares the user's own label is taken out of every product. */
export function walkOf(
  { products, weights }: LabelledUser,
  { mass, b, prior }: Vectors,
  { kappa, own }: { kappa: number; own?: Float64Array | undefined },
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
export function liftsOf(
  user: LabelledUser,
  vectors: Vectors,
  { kappa, landingMassMin, own }: FitPolicy & { readonly own?: Float64Array },
): { readonly lifts: Float64Array; readonly lands: boolean; readonly landingMass: number } {
  const { scores, landingMass } = walkOf(user, vectors, { kappa, own })
  const lands = landingMass > 0 && landingMass >= landingMassMin
  const total = scores.reduce((sum, value) => sum + value, 0)
  const lifts = new Float64Array(scores.length)
  if (lands)
    for (let c = 0; c < lifts.length; c++) lifts[c] = logLiftOf(scores[c]! / total, vectors.prior[c]!)
  return { lifts, lands, landingMass }
}

/** Content scores by one model, v(p) made once for each product that is asked about. */
export class ContentScores {
  readonly #model: ContentModel
  readonly #words: LabelledGraph['words']
  readonly #vectors = new Map<number, Float64Array>()

  constructor(model: ContentModel, words: LabelledGraph['words']) {
    this.#model = model
    this.#words = words
  }

  /** Scores (C): zeros, as if nothing were known, where none of the user's products says anything. */
  of(user: LabelledUser): { scores: Float64Array; known: boolean } {
    const { bias } = this.#model
    const sums = new Float64Array(bias.length)
    for (const [i, product] of user.products.entries()) {
      const vector = this.#vectorOf(product)
      for (let c = 0; c < sums.length; c++) sums[c]! += user.weights[i]! * vector[c]!
    }
    if (sums.every((sum) => sum === 0)) return { scores: sums, known: false }
    const weight = weightOf(user)
    return { scores: sums.map((x, c) => contentScoreOf(bias[c]!, x, weight)), known: true }
  }

  #vectorOf(product: number): Float64Array {
    const kept = this.#vectors.get(product)
    if (kept !== undefined) return kept
    const vector = new Float64Array(this.#model.bias.length)
    contentVector(this.#model, this.#words[product]!, { out: vector, offset: 0 })
    this.#vectors.set(product, vector)
    return vector
  }
}

/** The content head fitted on prototypes; undefined where their products share no word. */
export function fitHead(graph: LabelledGraph, prototypes: readonly LabelledUser[]): ContentFit | undefined {
  const personas = graph.personas.length
  const examples = evenly(prototypes, rowsAtMost(contentRowsMax, personas)).map((user) => ({
    fold: user.fold,
    weight: weightOf(user),
    labels: user.labels,
    products: Array.from(user.products, (product, i) => ({
      words: graph.words[product]!,
      weight: user.weights[i]!,
    })),
  }))
  return fitContent(examples, personas)
}

/** Rows within a limit that is for rows times personas: each persona is a fit of its own. */
function rowsAtMost(limit: number, personas: number): number {
  return Math.max(64, Math.floor(limit / personas))
}

/** What calibrations of one prototype set are fitted from: rows of prototypes as they are, and of some as they were. */
export type Evidences = {
  readonly personas: number
  readonly prototypes: number
  readonly lifts: readonly Float64Array[]
  /** Out-of-fold content scores; undefined without a head. */
  readonly content: readonly Float64Array[] | undefined
  readonly logDegree: Float64Array
  readonly labels: Uint8Array
  /** Mean landing mass of a prototype's purchases, its own label left out: what a purchase brings (0 to 1). */
  readonly landingPerPurchase: number
}

/** Reads the evidence for each prototype as if its label were unknown. More than the limit are read evenly. */
export function evidencesOf(
  graph: LabelledGraph,
  given: readonly LabelledUser[],
  {
    head,
    policy,
    prior,
  }: {
    readonly head: ContentFit | undefined
    readonly policy: FitPolicy
    /** The version's prior, where some of its prototypes have bought nothing; else the mean of the given ones. */
    readonly prior?: Float64Array
  },
): Evidences {
  const own = vectorsOf(graph, given)
  const vectors = prior === undefined ? own : { ...own, prior }
  const prototypes = evenly(given, rowsAtMost(calibrationRowsMax, graph.personas.length))
  const rows = [...prototypes]
  for (const [i, user] of prototypes.entries()) {
    if (i % earlyEvery !== 0) continue
    const mark = earlyMarks[(i / earlyEvery) % earlyMarks.length]!
    if (user.products.length > mark) rows.push(earlier(user, mark))
  }
  const walked = rows.map((user) => liftsOf(user, vectors, { ...policy, own: user.shares }))
  const weights = rows.map(weightOf)
  const all = weights.slice(0, prototypes.length).reduce((sum, weight) => sum + weight, 0)
  const landed = walked
    .slice(0, prototypes.length)
    .reduce((sum, { landingMass }, i) => sum + landingMass * weights[i]!, 0)
  return {
    personas: graph.personas.length,
    prototypes: prototypes.length,
    lifts: walked.map(({ lifts }) => lifts),
    content: head && outOfFold(graph, rows, head),
    logDegree: Float64Array.from(weights, logDegreeOf),
    labels: Uint8Array.from(rows.flatMap(({ labels }) => [...labels])),
    landingPerPurchase: all === 0 ? 0 : landed / all,
  }
}

/** Content scores of each row by the model without its fold; one model's v(p) at a time. */
function outOfFold(
  graph: LabelledGraph,
  rows: readonly LabelledUser[],
  { folds }: ContentFit,
): Float64Array[] {
  const scores: Float64Array[] = []
  for (const [fold, model] of folds.entries()) {
    const content = new ContentScores(model, graph.words)
    for (const [i, user] of rows.entries()) if (user.fold === fold) scores[i] = content.of(user).scores
  }
  return scores
}

/** The calibration that reads this evidence, and how well it does: less is better, a coefficient counted as one (AIC / 2). */
export function calibrate(
  { personas, prototypes, lifts, content, logDegree, labels }: Evidences,
  evidence: Evidence,
): { readonly calibration: Calibration; readonly cost: number } {
  const none = new Float64Array(logDegree.length * personas)
  const sample: CalibrationSample = {
    personas,
    whole: prototypes,
    logLift: evidence === 'content' ? none : flat(lifts),
    content: evidence === 'walk' ? none : flat(content!),
    logDegree,
    labels,
  }
  const calibration = fitCalibration(sample)
  return { calibration, cost: logLossOf(calibration, sample) + (evidence === 'both' ? 2 * personas : 0) }
}

/** Both kinds of evidence where the prototypes say that words help, else the walk alone. */
export function calibrateBest(evidences: Evidences): { calibration: Calibration; evidence: Evidence } {
  const walk = calibrate(evidences, 'walk')
  if (evidences.content === undefined) return { calibration: walk.calibration, evidence: 'walk' }
  const both = calibrate(evidences, 'both')
  return both.cost < walk.cost
    ? { calibration: both.calibration, evidence: 'both' }
    : { calibration: walk.calibration, evidence: 'walk' }
}

/** The fold of a user: by its id, so that no order of arrival or choice of prototypes leaves a fold empty. */
export function foldOf(userId: string): number {
  return rngFor({ seed: 0, text: userId, position: 0 }).below(contentFolds)
}

/** Every n-th of them, so that there are at most `most`. */
export function evenly<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all
  return Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]!)
}

/** Rows of one width in one array. */
export function flat(rows: readonly Float64Array[]): Float64Array {
  const width = rows[0]?.length ?? 0
  const all = new Float64Array(rows.length * width)
  for (const [i, row] of rows.entries()) all.set(row, i * width)
  return all
}
