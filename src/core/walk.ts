// The walk in whole numbers: S(u) = sum of w(u,p)·b̂(p) walked anew, and its O(C) repair. Linear, so both are equal.
import { assert } from './assert.ts'
import { publishedOne } from './limits.ts'

/** A row of a matrix of C columns held in one flat array: entries [offset, offset + C). */
export type Row = { readonly values: Float64Array; readonly offset: number }

/**
 * S += weight · b̂ over `personas` columns: one step of a walk anew, and the whole repair of a buyer
 * (S += Δw·b̂(p)). `weight` in thousandths, b̂ in 2⁻²⁴; the result is asserted to stay exact.
 */
export function addScaled(
  score: Row,
  vector: Row,
  { weight, personas }: { weight: number; personas: number },
): void {
  const s = score.values
  const v = vector.values
  const a = score.offset
  const b = vector.offset
  let top = 0
  for (let c = 0; c < personas; c++) {
    const value = s[a + c]! + weight * v[b + c]!
    s[a + c] = value
    if (value > top) top = value
  }
  assert(top <= Number.MAX_SAFE_INTEGER, 'S(u) left the whole numbers')
}

/** Sum of the entries of S(u): z(u) in units of W(u) · 2²⁴. */
export function scoreTotal(score: Row, personas: number): number {
  let total = 0
  for (let c = 0; c < personas; c++) total += score.values[score.offset + c]!
  return total
}

/** z(u) = sum of S(u) / (W(u) · 2²⁴), the landing mass: how much of the walk ends at a labelled buyer. */
export function landingMassOf(total: number, weight: number): number {
  return weight > 0 ? total / (weight * publishedOne) : 0
}

/** Whether a walk of this landing mass has landed: there is a q to decide on, and it stands for enough of the walk. */
export function landsEnough(
  landingMass: number,
  { landingMassMin }: { readonly landingMassMin: number },
): boolean {
  return landingMass > 0 && landingMass >= landingMassMin
}
