// A product's vector: exact B(p) and M(p), the vector b(p) they stand for, and when its published form b̂(p) is stale.
import { edgeWeightMin } from './edge.ts'
import { personasMax, publishedOne, shareOne } from './limits.ts'

/** What b(p) depends on beside B and M: constants of the configuration and of the prototype-set version. */
export type VectorPolicy = {
  /** Weight of the virtual prior buyer standing in every product, thousandths. */
  readonly kappa: number
  /** Greatest published drift, as a share of rho(p). */
  readonly delta: number
  /** C-vector: mean label share of the version's prototypes. */
  readonly prior: Float64Array
}

/** rho(p) = M / (M + kappa): how much of p's vector comes from labelled buyers rather than from the prior. */
export function rhoOf(mass: number, kappa: number): number {
  return mass / (mass + kappa)
}

/**
 * b(p) = rho(p) · (B(p) + kappa · prior) / (M(p) + kappa) into `out` (C entries, as fractions of one, sum rho(p)).
 * `b` holds B(p) = sum of w(k,p)·l_k in thousandths × 2⁻²⁰, at [offset, offset + C). DESIGN §1.
 */
export function exactVector(
  { mass, b, offset }: { mass: number; b: Float64Array; offset: number },
  { kappa, prior }: VectorPolicy,
  out: Float64Array,
): void {
  if (mass === 0) {
    out.fill(0)
    return
  }
  const rho = rhoOf(mass, kappa)
  for (let c = 0; c < out.length; c++)
    out[c] = (rho * (b[offset + c]! / shareOne + kappa * prior[c]!)) / (mass + kappa)
}

/** b̂: the exact vector rounded to whole numbers of 2⁻²⁴, into `published` at `offset`. */
export function roundVector(exact: Float64Array, published: Float64Array, offset: number): void {
  for (let c = 0; c < exact.length; c++) published[offset + c] = Math.round(exact[c]! * publishedOne)
}

/**
 * The least delta that a publication can keep (I2): rounding alone takes b̂ up to C · 2⁻²⁵ away from b, which must be
 * within delta · rho(p) for as many personas as there can be, at the least rho(p): a single edge of the least weight.
 * In three digits, rounded up.
 */
export function leastDelta(kappa: number): number {
  const bound = personasMax / 2 / publishedOne / rhoOf(edgeWeightMin, kappa)
  const unit = 10 ** (Math.floor(Math.log10(bound)) - 2)
  return Number((Math.ceil(bound / unit) * unit).toPrecision(3))
}

/** ||b̂(p) − b(p)||₁, with b̂ at [offset, offset + C) of `published`. */
export function publishedDrift(exact: Float64Array, published: Float64Array, offset: number): number {
  let drift = 0
  for (let c = 0; c < exact.length; c++) drift += Math.abs(published[offset + c]! / publishedOne - exact[c]!)
  return drift
}

/** The publication rule: past delta·rho(p), and always when exactly one of b̂ and b is zero. */
export function mustPublish(
  {
    mass,
    exact,
    published,
    offset,
  }: { mass: number; exact: Float64Array; published: Float64Array; offset: number },
  { kappa, delta }: VectorPolicy,
): boolean {
  let publishedIsZero = true
  for (let c = 0; c < exact.length && publishedIsZero; c++) publishedIsZero = published[offset + c] === 0
  if (publishedIsZero !== (mass === 0)) return true
  return publishedDrift(exact, published, offset) > delta * rhoOf(mass, kappa)
}
