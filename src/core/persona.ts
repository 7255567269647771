// Decision: from scores to held personas with hysteresis, primary and status. Pure; one user at a time.
import { publishedOne } from './limits.ts'
import { landingMassOf, landsEnough, type Row, scoreTotal } from './walk.ts'

export const statuses = ['unknown', 'inferred', 'prototype'] as const
export type Status = (typeof statuses)[number]
/** How an answer was come by: the exact walk, sampled longer walks, or the words of the products alone. */
export const methods = ['none', 'exact', 'sampled', 'content'] as const
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

/** The policy of a configuration. */
export function decisionPolicyOf(config: {
  readonly personasHeldMax: number
  readonly enterFloor: number
  readonly exitMargin: number
  readonly landingMassMin: number
}): DecisionPolicy {
  return {
    k: config.personasHeldMax,
    floor: config.enterFloor,
    margin: config.exitMargin,
    weightMin: 1000,
    landingMassMin: config.landingMassMin,
  }
}

export type Decision = { readonly status: Status; readonly primary: number }

/** Whether the walk of a user with this score row says enough to decide on: a walk that lands nowhere never does. */
export function landed(
  score: Row,
  { weight, personas }: { weight: number; personas: number },
  policy: DecisionPolicy,
): boolean {
  return landsEnough(landingMassOf(scoreTotal(score, personas), weight), policy)
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
  return holdRanked(score, held, { policy, carried, ranks: rankFor(score, policy, carried.length) })
}

/** `decideHeld`, and the `decisionSlack` of what it decided, of one ranking. */
export function decideWithSlack(
  score: Row,
  held: { readonly values: Uint8Array; readonly offset: number },
  options: { policy: DecisionPolicy; carried: Uint8Array; weight: number },
): { primary: number; slack: number } {
  const { policy, carried, weight } = options
  const ranks = rankFor(score, policy, carried.length)
  const primary = holdRanked(score, held, { policy, carried, ranks })
  return { primary, slack: slackOf(score, held, { policy, carried, weight, ranks }) }
}

function holdRanked(
  score: Row,
  held: { readonly values: Uint8Array; readonly offset: number },
  { policy, carried, ranks }: { policy: DecisionPolicy; carried: Uint8Array; ranks: number },
): number {
  const personas = carried.length
  const total = scoreTotal(score, personas)
  const leave = policy.floor - policy.margin
  for (let c = 0; c < personas; c++) held.values[held.offset + c]! *= 2 // 2: held before, not yet confirmed
  let primary = -1
  for (let rank = 1; rank <= ranks && rank <= policy.k + 1; rank++) {
    const c = top[rank - 1]!
    const q = score.values[score.offset + c]! / total
    const at = held.offset + c
    const before = held.values[at] === 2
    const holds = carried[c] === 1 && (before ? q >= leave : rank <= policy.k && q >= policy.floor)
    held.values[at] = holds ? 1 : 0
    if (holds && primary < 0) primary = c
  }
  for (let c = 0; c < personas; c++) if (held.values[held.offset + c] === 2) held.values[held.offset + c] = 0
  return primary
}

/**
 * How far S(u) may move before deciding a landed user, who holds what was decided of it, can give another answer: the
 * distance to the nearest comparison that would, less than any rounding could hide. Moves count by their reach.
 */
export function decisionSlack(
  score: Row,
  held: { readonly values: Uint8Array; readonly offset: number },
  options: { policy: DecisionPolicy; carried: Uint8Array; weight: number },
): number {
  const { policy, carried, weight } = options
  return slackOf(score, held, {
    policy,
    carried,
    weight,
    ranks: rankFor(score, policy, carried.length),
  })
}

function slackOf(
  score: Row,
  held: { readonly values: Uint8Array; readonly offset: number },
  {
    policy,
    carried,
    weight,
    ranks,
  }: { policy: DecisionPolicy; carried: Uint8Array; weight: number; ranks: number },
): number {
  const personas = carried.length
  const total = scoreTotal(score, personas)
  const valueAt = (rank: number) =>
    rank > ranks ? Number.NEGATIVE_INFINITY : score.values[score.offset + top[rank - 1]!]!
  const lastToEnter = valueAt(policy.k)
  const firstOutside = valueAt(policy.k + 2)
  const enter = policy.floor * total
  const leave = (policy.floor - policy.margin) * total
  let slack = total - policy.landingMassMin * weight * publishedOne
  let primary = Number.NEGATIVE_INFINITY
  let second = Number.NEGATIVE_INFINITY
  for (let c = 0; c < personas; c++) {
    const value = score.values[score.offset + c]!
    if (held.values[held.offset + c] === 1) {
      slack = Math.min(slack, value - leave, value - firstOutside)
      second = Math.max(second, Math.min(primary, value))
      primary = Math.max(primary, value)
    } else if (carried[c] === 1) slack = Math.min(slack, Math.max(enter - value, lastToEnter - value))
  }
  if (second >= 0) slack = Math.min(slack, primary - second)
  return slack - total * (1 - underestimate)
}

/**
 * By how much at the most a move of S(u) changes what decisions compare: the difference of two entries, an entry's
 * distance from a threshold's share of the total, and the total.
 */
export function decisionReach(move: Float64Array, { floor, margin }: DecisionPolicy): number {
  let least = 0
  let most = 0
  let total = 0
  for (const value of move) {
    least = Math.min(least, value)
    most = Math.max(most, value)
    total += value
  }
  const entering = floor * total
  const leaving = (floor - margin) * total
  return Math.max(
    most - least,
    most - Math.min(entering, leaving),
    Math.max(entering, leaving) - least,
    Math.abs(total),
  )
}

/** Less than any rounding takes off: who is passed over by a product is certainly below the quotient's threshold. */
const underestimate = 1 - 1e-9
/** Indices ranked by the latest call: ranks are small numbers, the array is made once. */
const top = new Int32Array(64)

/** The indices of the k + 2 greatest scores into `top`, best first, ties to the lower index: all that a decision reads. */
function rankFor(score: Row, { k }: DecisionPolicy, personas: number): number {
  const most = k + 2
  const s = score.values
  const a = score.offset
  let count = 0
  for (let c = 0; c < personas; c++) {
    const value = s[a + c]!
    let at = count
    while (at > 0 && s[a + top[at - 1]!]! < value) at--
    if (at >= most) continue
    if (count < most) count++
    for (let i = count - 1; i > at; i--) top[i] = top[i - 1]!
    top[at] = c
  }
  return count
}
