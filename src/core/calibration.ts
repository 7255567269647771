// Calibration: from a walk's q, a content score and W(u) to a probability per persona. Per-persona logistic fits (Platt
// 1999) of leave-one-out prototypes, shrunk to a fit of all personas together where a persona is rare.
import { fitLogistic, logitOf, sigmoid, softplus } from './logistic.ts'

/** Features of one user and persona: constant, log lift, content, log degree, and the products of the last with either. */
export const featureCount = 6

/** A fit. Log odds of persona c: base[c] + sum over features j of coefficients[c · 6 + j] · x_j. */
export type Calibration = {
  /** Log odds of the base rates among prototypes, C entries. */
  readonly base: Float64Array
  readonly coefficients: Float64Array
  /** Probability from which a persona is held: best micro-F1 on leave-one-out prototypes. */
  readonly enter: number
}

/** What is known of n prototypes, each without its own label in it, and what they are labelled (n × C). */
export type CalibrationSample = {
  readonly personas: number
  /** The first so many rows are prototypes as they are now: the threshold is chosen on those. */
  readonly whole: number
  /** log(q / prior), 0 where the walk does not land. */
  readonly logLift: Float64Array
  /** Log odds by words relative to the base rate, 0 without a content head. */
  readonly content: Float64Array
  /** log(W / 1000) a prototype (n entries). */
  readonly logDegree: Float64Array
  /** 1 where the prototype carries the persona. */
  readonly labels: Uint8Array
}

/** The degree at which the degree's part is zero: e³, twenty products. */
const logDegreeMid = 3
/** The pooled fit is all but free: enough to have one minimum. */
const pooledCentre = new Float64Array(featureCount)
const pooledPenalty = new Float64Array(featureCount).fill(1e-3)
/**
 * Strength of the shrinkage to the pooled fit: a persona's own coefficients weigh as much as the pooled ones when the
 * information of about this many labelled prototypes speaks for them.
 */
const shrinkage = 50
/** Least and greatest q / prior that are told apart. */
const liftMin = 1e-6

/** log(q_c / prior_c), bounded; 0 for a persona that no prototype carries. */
export function logLiftOf(q: number, prior: number): number {
  return prior > 0 ? Math.log(Math.max(q, liftMin) / prior) : 0
}

export function logDegreeOf(weight: number): number {
  return Math.log(Math.max(weight, 1) / 1000) - logDegreeMid
}

/** Log odds of the base rate of a persona that `positives` of n prototypes carry, with half a prototype for and against. */
export function baseOddsOf(positives: number, n: number): number {
  return logitOf((positives + 0.5) / (n + 1))
}

/** Fits all personas. Deterministic; O(n · C) for each of a few Newton steps. */
export function fitCalibration(sample: CalibrationSample): Calibration {
  const { personas, labels, logDegree } = sample
  const n = logDegree.length
  const positives = new Float64Array(personas)
  for (let i = 0; i < labels.length; i++) positives[i % personas]! += labels[i]!
  const base = positives.map((count) => baseOddsOf(count, n))
  const pooled = fitLogistic(rowsOf(sample, base, undefined), {
    centre: pooledCentre,
    penalty: pooledPenalty,
  })
  const coefficients = new Float64Array(personas * featureCount)
  for (let c = 0; c < personas; c++) {
    const rarer = Math.min(positives[c]!, n - positives[c]!)
    const penalty = new Float64Array(featureCount).fill(shrinkage / (1 + rarer))
    coefficients.set(fitLogistic(rowsOf(sample, base, c), { centre: pooled, penalty }), c * featureCount)
  }
  const fitted = { base, coefficients, enter: 0 }
  const probabilities = new Float64Array(labels.length)
  for (let i = 0; i < labels.length; i++) probabilities[i] = sigmoid(oddsAt(fitted, sample, i, personas))
  const whole = sample.whole * personas
  return { ...fitted, enter: bestThreshold(probabilities.subarray(0, whole), labels.subarray(0, whole)) }
}

/** Log odds of persona c for these features. */
export function oddsOf(
  { base, coefficients }: { readonly base: Float64Array; readonly coefficients: Float64Array },
  c: number,
  x: { readonly logLift: number; readonly content: number; readonly logDegree: number },
): number {
  const at = c * featureCount
  return (
    base[c]! +
    coefficients[at]! +
    coefficients[at + 3]! * x.logDegree +
    (coefficients[at + 1]! + coefficients[at + 4]! * x.logDegree) * x.logLift +
    (coefficients[at + 2]! + coefficients[at + 5]! * x.logDegree) * x.content
  )
}

function oddsAt(
  fitted: { base: Float64Array; coefficients: Float64Array },
  { logLift, content, logDegree }: CalibrationSample,
  i: number,
  personas: number,
): number {
  return oddsOf(fitted, i % personas, {
    logLift: logLift[i]!,
    content: content[i]!,
    logDegree: logDegree[Math.floor(i / personas)]!,
  })
}

/** Log loss of a fit over its sample, summed over prototypes and personas. */
export function logLossOf(calibration: Calibration, sample: CalibrationSample): number {
  let loss = 0
  sample.labels.forEach((label, i) => {
    const odds = oddsAt(calibration, sample, i, sample.personas)
    loss += softplus(label === 1 ? -odds : odds)
  })
  return loss
}

/** Feature rows of one persona, or of all of them (each row then belongs to a prototype and a persona). */
function rowsOf(
  { personas, logLift, content, logDegree, labels }: CalibrationSample,
  base: Float64Array,
  persona: number | undefined,
) {
  const n = logDegree.length
  const count = persona === undefined ? n * personas : n
  const features = new Float64Array(count * featureCount)
  const offsets = new Float64Array(count)
  const chosen = new Uint8Array(count)
  for (let row = 0; row < count; row++) {
    const at = persona === undefined ? row : row * personas + persona
    const degree = logDegree[Math.floor(at / personas)]!
    const x = [1, logLift[at]!, content[at]!, degree, logLift[at]! * degree, content[at]! * degree]
    features.set(x, row * featureCount)
    offsets[row] = base[at % personas]!
    chosen[row] = labels[at]!
  }
  return { features, offsets, labels: chosen }
}

/** Thresholds tried: 0.05 to 0.95 in hundredths. */
const thresholdSteps = { first: 5, last: 95 }

/** The threshold of greatest micro-F1 = 2TP / (2TP + FP + FN) over all entries; of several, the one in their middle. */
export function bestThreshold(probabilities: Float64Array, labels: Uint8Array): number {
  const { first, last } = thresholdSteps
  const held = new Float64Array(last + 1)
  const right = new Float64Array(last + 1)
  let positives = 0
  for (let i = 0; i < labels.length; i++) {
    positives += labels[i]!
    const step = Math.min(last, Math.floor(probabilities[i]! * 100 + 1e-9))
    held[step]!++
    right[step]! += labels[i]!
  }
  let best: number[] = []
  let bestF1 = -1
  let heldFrom = 0
  let rightFrom = 0
  for (let step = last; step >= first; step--) {
    heldFrom += held[step]!
    rightFrom += right[step]!
    const f1 = heldFrom + positives === 0 ? 0 : (2 * rightFrom) / (heldFrom + positives)
    if (f1 > bestF1) best = []
    if (f1 >= bestF1) best.push(step)
    bestF1 = Math.max(bestF1, f1)
  }
  return best[best.length >> 1]! / 100
}
