// Decision: from scores to held personas with hysteresis, primary and status. Pure; one user at a time.
import { landingMassOf, type Row, scoreTotal } from './walk.ts'

export const statuses = ['unknown', 'inferred', 'prototype'] as const
export type Status = (typeof statuses)[number]
export const methods = ['none', 'exact', 'sampled'] as const
export type Method = (typeof methods)[number]

/** Held by q before calibration: entering needs rank ≤ k and q ≥ floor, leaving rank > k + 1 or q < floor − margin. */
export type DecisionPolicy = {
  readonly k: number
  readonly floor: number
  readonly margin: number
  /** Least W(u), thousandths, below which a user is unknown. */
  readonly weightMin: number
  /** Least landing mass z(u) below which the walk has not landed. */
  readonly landingMassMin: number
}

export type Decision = { readonly status: Status; readonly primary: number }

/** Whether the walk of a user with this score row says enough to decide on. */
export function landed(
  score: Row,
  { weight, personas }: { weight: number; personas: number },
  policy: DecisionPolicy,
): boolean {
  return weight > 0 && landingMassOf(scoreTotal(score, personas), weight) >= policy.landingMassMin
}

/**
 * Decides the held set of one landed user, in place: `held` has 0/1 a persona at [held.offset, + C) and is read as
 * what was held before. `carried[c]` is 0 for a persona that no prototype of the version carries: never held.
 * Returns the primary persona's index, the held one of highest q (ties to the lower index), or −1.
 */
export function decideHeld(
  score: Row,
  held: { readonly values: Uint8Array; readonly offset: number },
  { policy, carried }: { policy: DecisionPolicy; carried: Uint8Array },
): number {
  const personas = carried.length
  const total = scoreTotal(score, personas)
  rankTop(score, personas, policy.k + 1)
  for (let c = 0; c < personas; c++) held.values[held.offset + c]! *= 2 // 2: held before, not yet confirmed
  let primary = -1
  for (let rank = 1; rank <= top.length; rank++) {
    const c = top[rank - 1]!
    const q = score.values[score.offset + c]! / total
    const at = held.offset + c
    const before = held.values[at] === 2
    const holds =
      carried[c] === 1 && (before ? q >= policy.floor - policy.margin : rank <= policy.k && q >= policy.floor)
    held.values[at] = holds ? 1 : 0
    if (holds && primary < 0) primary = c
  }
  for (let c = 0; c < personas; c++) if (held.values[held.offset + c] === 2) held.values[held.offset + c] = 0
  return primary
}

const top: number[] = []

/** The indices of the `n` greatest scores into `top`, best first, ties to the lower index. */
function rankTop(score: Row, personas: number, n: number): void {
  const s = score.values
  const a = score.offset
  top.length = 0
  for (let c = 0; c < personas; c++) {
    const value = s[a + c]!
    let at = top.length
    while (at > 0 && s[a + top[at - 1]!]! < value) at--
    if (at >= n) continue
    if (top.length < n) top.push(c)
    for (let i = top.length - 1; i > at; i--) top[i] = top[i - 1]!
    top[at] = c
  }
}
