// Logistic regression with a quadratic penalty, deterministic: dense with few columns (Newton's method), and sparse with
// many (truncated Newton: conjugate gradients inside). Pure arithmetic; the same input gives the same bits.
import { assert } from './assert.ts'

/** σ(x) = 1 / (1 + e⁻ˣ). */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/** Log odds of a probability strictly between 0 and 1. */
export function logitOf(probability: number): number {
  return Math.log(probability / (1 - probability))
}

/** log(1 + eˣ) without overflow. */
export function softplus(x: number): number {
  return x > 30 ? x : Math.log1p(Math.exp(x))
}

const newtonStepsMax = 30
const stepMin = 1e-8

/** n rows of d features, row by row in one array; what is added to each row's log odds; and 0/1 labels. */
export type DenseSample = {
  readonly features: Float64Array
  readonly offsets: Float64Array
  readonly labels: Uint8Array
}

/**
 * Coefficients (d) that minimise the log loss plus ½ Σ penalty_j (b_j − centre_j)². With every penalty above zero there
 * is exactly one minimum; Newton's steps are halved until they descend, so it is found from anywhere.
 */
export function fitLogistic(
  sample: DenseSample,
  { centre, penalty }: { readonly centre: Float64Array; readonly penalty: Float64Array },
): Float64Array {
  const d = centre.length
  let b = centre.slice()
  let loss = lossOf(sample, b, { centre, penalty })
  const hessian = new Float64Array(d * d)
  const step = new Float64Array(d)
  for (let round = 0; round < newtonStepsMax; round++) {
    newtonStep(sample, b, { centre, penalty, hessian, step })
    let scale = 1
    let next = b
    let nextLoss = loss
    for (; scale > 1e-9; scale /= 2) {
      next = b.map((value, j) => value + scale * step[j]!)
      nextLoss = lossOf(sample, next, { centre, penalty })
      if (nextLoss <= loss) break
    }
    if (!(nextLoss <= loss)) break
    let moved = 0
    for (let j = 0; j < d; j++) moved = Math.max(moved, Math.abs(next[j]! - b[j]!))
    b = next
    loss = nextLoss
    if (moved < stepMin) break
  }
  return b
}

function lossOf(
  { features, offsets, labels }: DenseSample,
  b: Float64Array,
  { centre, penalty }: { centre: Float64Array; penalty: Float64Array },
): number {
  const d = b.length
  let loss = 0
  for (let i = 0; i < labels.length; i++) {
    let odds = offsets[i]!
    for (let j = 0; j < d; j++) odds += b[j]! * features[i * d + j]!
    loss += softplus(labels[i] === 1 ? -odds : odds)
  }
  for (let j = 0; j < d; j++) loss += 0.5 * penalty[j]! * (b[j]! - centre[j]!) ** 2
  return loss
}

type Newton = {
  readonly centre: Float64Array
  readonly penalty: Float64Array
  readonly hessian: Float64Array
  readonly step: Float64Array
}

/** The solution of H·step = −gradient at `b`, into `step`. */
function newtonStep(
  { features, offsets, labels }: DenseSample,
  b: Float64Array,
  { centre, penalty, hessian, step }: Newton,
): void {
  const d = b.length
  hessian.fill(0)
  for (let j = 0; j < d; j++) {
    step[j] = -penalty[j]! * (b[j]! - centre[j]!)
    hessian[j * d + j] = penalty[j]!
  }
  for (let i = 0; i < labels.length; i++) {
    let odds = offsets[i]!
    for (let j = 0; j < d; j++) odds += b[j]! * features[i * d + j]!
    const p = sigmoid(odds)
    const curvature = p * (1 - p)
    for (let j = 0; j < d; j++) {
      const x = features[i * d + j]!
      step[j]! += (labels[i]! - p) * x
      for (let k = 0; k <= j; k++) hessian[j * d + k]! += curvature * x * features[i * d + k]!
    }
  }
  solveInPlace(hessian, step)
}

/** Solves A·x = b for a positive definite A given by its lower triangle (d × d, by rows): b becomes x, A its Cholesky factor. */
function solveInPlace(a: Float64Array, b: Float64Array): void {
  const d = b.length
  for (let j = 0; j < d; j++) {
    let pivot = a[j * d + j]!
    for (let k = 0; k < j; k++) pivot -= a[j * d + k]! ** 2
    assert(pivot > 0, 'a penalised Hessian is positive definite')
    const root = Math.sqrt(pivot)
    a[j * d + j] = root
    for (let i = j + 1; i < d; i++) {
      let sum = a[i * d + j]!
      for (let k = 0; k < j; k++) sum -= a[i * d + k]! * a[j * d + k]!
      a[i * d + j] = sum / root
    }
  }
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < i; k++) b[i]! -= a[i * d + k]! * b[k]!
    b[i]! /= a[i * d + i]!
  }
  for (let i = d - 1; i >= 0; i--) {
    for (let k = i + 1; k < d; k++) b[i]! -= a[k * d + i]! * b[k]!
    b[i]! /= a[i * d + i]!
  }
}

/** Rows in compressed form: row i has entries [starts[i], starts[i + 1]) of `columns` and `values`. */
export type SparseRows = {
  readonly starts: Int32Array
  readonly columns: Int32Array
  readonly values: Float64Array
}

const outerStepsMax = 12
const innerStepsMax = 30
/** Accuracy: gradient's norm by row. A content model is an opinion, not a measurement. */
const gradientMin = 3e-4

/**
 * Weights (`columns` of them, then an intercept that is not penalised) that minimise the log loss of the rows `chosen`
 * plus ½ penalty Σ w². Truncated Newton (Nash 2000): each step solved by conjugate gradients as far as it is worth.
 */
export function fitSparseLogistic(
  rows: SparseRows,
  labels: Uint8Array,
  {
    columns,
    penalty,
    chosen,
  }: {
    readonly columns: number
    readonly penalty: number
    readonly chosen: Int32Array
  },
): Float64Array {
  const w = new Float64Array(columns + 1)
  const size = columns + 1
  const curvature = new Float64Array(chosen.length)
  const residual = new Float64Array(chosen.length)
  const gradient = new Float64Array(size)
  const step = new Float64Array(size)
  const work = {
    direction: new Float64Array(size),
    rest: new Float64Array(size),
    image: new Float64Array(size),
  }
  const by = new Float64Array(chosen.length)
  for (let round = 0; round < outerStepsMax; round++) {
    multiply(rows, chosen, w, by)
    for (let n = 0; n < chosen.length; n++) {
      const p = sigmoid(by[n]!)
      residual[n] = p - labels[chosen[n]!]!
      curvature[n] = Math.max(p * (1 - p), 1e-6)
    }
    multiplyTransposed(rows, chosen, residual, gradient)
    for (let j = 0; j < columns; j++) gradient[j]! += penalty * w[j]!
    if (Math.sqrt(dot(gradient, gradient)) < gradientMin * chosen.length) break
    solveByConjugateGradients({ rows, chosen, curvature, penalty, gradient, step, by, ...work })
    for (let j = 0; j < size; j++) w[j]! += step[j]!
  }
  return w
}

type Inner = {
  readonly rows: SparseRows
  readonly chosen: Int32Array
  readonly curvature: Float64Array
  readonly penalty: number
  readonly gradient: Float64Array
  readonly step: Float64Array
  readonly by: Float64Array
  readonly direction: Float64Array
  readonly rest: Float64Array
  readonly image: Float64Array
}

/** H·step = −gradient, to a twentieth of the gradient's norm. */
function solveByConjugateGradients(inner: Inner): void {
  const { rows, chosen, curvature, penalty, gradient, step, by, direction, rest, image } = inner
  const columns = step.length - 1
  step.fill(0)
  for (let j = 0; j < step.length; j++) rest[j] = direction[j] = -gradient[j]!
  let left = dot(rest, rest)
  const enough = left * 0.0025
  for (let k = 0; k < innerStepsMax && left > enough; k++) {
    multiply(rows, chosen, direction, by)
    for (let n = 0; n < chosen.length; n++) by[n]! *= curvature[n]!
    multiplyTransposed(rows, chosen, by, image)
    for (let j = 0; j < columns; j++) image[j]! += penalty * direction[j]!
    const along = left / dot(direction, image)
    for (let j = 0; j < step.length; j++) {
      step[j]! += along * direction[j]!
      rest[j]! -= along * image[j]!
    }
    const next = dot(rest, rest)
    const turn = next / left
    left = next
    for (let j = 0; j < step.length; j++) direction[j] = rest[j]! + turn * direction[j]!
  }
}

/** X·w for the chosen rows, the intercept last in w. */
function multiply(
  { starts, columns, values }: SparseRows,
  chosen: Int32Array,
  w: Float64Array,
  out: Float64Array,
): void {
  const intercept = w[w.length - 1]!
  for (let n = 0; n < chosen.length; n++) {
    const row = chosen[n]!
    let sum = intercept
    for (let k = starts[row]!; k < starts[row + 1]!; k++) sum += values[k]! * w[columns[k]!]!
    out[n] = sum
  }
}

function multiplyTransposed(
  { starts, columns, values }: SparseRows,
  chosen: Int32Array,
  by: Float64Array,
  out: Float64Array,
): void {
  out.fill(0)
  let sum = 0
  for (let n = 0; n < chosen.length; n++) {
    const row = chosen[n]!
    const factor = by[n]!
    sum += factor
    for (let k = starts[row]!; k < starts[row + 1]!; k++) out[columns[k]!]! += values[k]! * factor
  }
  out[out.length - 1] = sum
}

/** The fitted log odds of one row. */
export function sparseOdds({ starts, columns, values }: SparseRows, row: number, w: Float64Array): number {
  let sum = w[w.length - 1]!
  for (let k = starts[row]!; k < starts[row + 1]!; k++) sum += values[k]! * w[columns[k]!]!
  return sum
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!
  return sum
}
