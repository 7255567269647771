// Prototypes: the labelled users, their label shares, and the constants of a prototype-set version.
import { assert } from './assert.ts'
import { shareOne } from './limits.ts'

export type PersonaDefinition = {
  readonly name: string
  readonly description?: string
  readonly keywords?: readonly string[]
}

/** Sparse label shares l_k: persona indices with shares in whole numbers of 2⁻²⁰ that sum to exactly one. */
export type ShareList = readonly { readonly persona: number; readonly share: number }[]

/** What is known of a label beside its shares. A held-out user is labelled and is no prototype: the truth meter. */
export type LabelNote = {
  readonly heldOut?: true
  /** Who labelled, e.g. `keyword`, and why so. */
  readonly labeller?: string
  readonly rationale?: string
}

/**
 * A prototype-set version. `shareSums[c]` is the sum of the shares of persona c over its `prototypes`, so the prior
 * (mean label share) is the exact fraction shareSums[c] / (prototypes · 2²⁰): a constant of the version.
 */
export type PrototypeVersion = {
  readonly version: number
  readonly hash: string
  readonly personas: readonly PersonaDefinition[]
  readonly shareSums: readonly number[]
  readonly prototypes: number
}

/**
 * Shares proportional to `weights` (from 0, any scale and order, one a persona) in whole numbers of 2⁻²⁰, summing to
 * exactly one, by largest remainder; ties go to the lower persona index. In order of persona, those of 0 left out.
 */
export function sharesOf(
  weights: readonly { readonly persona: number; readonly weight: number }[],
): ShareList {
  const ordered = [...weights].sort((a, b) => a.persona - b.persona)
  const total = ordered.reduce((sum, { weight }) => sum + weight, 0)
  assert(total > 0 && Number.isFinite(total), 'label weights checked by the codec')
  const exact = ordered.map(({ persona, weight }) => ({ persona, exact: quota(weight / total) }))
  const shares = exact.map((entry) => ({ persona: entry.persona, share: Math.floor(entry.exact) }))
  const order = exact
    .map((entry, i) => ({ i, remainder: entry.exact - Math.floor(entry.exact) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i)
  let missing = shareOne - shares.reduce((sum, { share }) => sum + share, 0)
  for (let n = 0; missing > 0; n = (n + 1) % order.length, missing--) shares[order[n]!.i]!.share++
  return shares.filter(({ share }) => share > 0)
}

/** A share of one before it is whole, to 2⁻²⁰ of a unit: finer differences are the rounding of a scale, not of labels. */
function quota(share: number): number {
  return Math.round(share * shareOne * 2 ** 20) / 2 ** 20
}

/** Sums of shares by persona over a set's prototypes; an array of length `personas`. */
export function shareSumsOf(sets: Iterable<ShareList>, personas: number): number[] {
  const sums = new Array<number>(personas).fill(0)
  for (const shares of sets) for (const { persona, share } of shares) sums[persona]! += share
  return sums
}

/** prior: the mean label share, a C-vector that sums to one (all zero when there is no prototype). */
export function priorOf({ shareSums, prototypes }: PrototypeVersion): Float64Array {
  const prior = new Float64Array(shareSums.length)
  if (prototypes === 0) return prior
  for (let c = 0; c < prior.length; c++) prior[c] = shareSums[c]! / (prototypes * shareOne)
  return prior
}

/** The primary persona of label shares: the greatest share, ties to the lower persona index. */
export function primaryOfShares(shares: ShareList): number {
  let best = shares[0]!
  for (const entry of shares)
    if (entry.share > best.share || (entry.share === best.share && entry.persona < best.persona)) best = entry
  return best.persona
}
