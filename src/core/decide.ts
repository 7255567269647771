// Decision by probability: the log odds of each persona from walk, words and degree; held from an enter threshold on until
// an exit threshold; and how far a score may move before that can change. Pure; one user at a time.
import { type Calibration, featureCount, logDegreeOf, oddsOf } from './calibration.ts'
import { contentScoreOf } from './content.ts'
import { publishedOne } from './limits.ts'
import { logitOf } from './logistic.ts'
import { type Row, scoreTotal } from './walk.ts'

/** A fit as decisions read it. */
export type OddsPolicy = {
  readonly calibration: Calibration
  /** Log odds from which a persona is entered, and below which a held one is left. */
  readonly enterOdds: number
  readonly exitOdds: number
  /** Mean label share of the version's prototypes, C entries. */
  readonly prior: Float64Array
  /** 1 for a persona that some prototype carries; no other is ever held. */
  readonly carried: Uint8Array
  /** The content head's log odds at no words, C entries; undefined when words are not read. */
  readonly bias: Float64Array | undefined
}

/** What is known of a user. `score`: of a walk that landed, else undefined; `content`: X(u), where words are read and known. */
export type Known = {
  readonly score: Row | undefined
  readonly content: Row | undefined
  /** W(u), thousandths. */
  readonly weight: number
}

/** Least q told apart from none, as in `logLiftOf`. */
const shareMin = 1e-6

export function oddsPolicyOf(given: {
  readonly calibration: Calibration
  readonly exit: number
  readonly prior: Float64Array
  readonly carried: Uint8Array
  readonly bias: Float64Array | undefined
}): OddsPolicy {
  const { exit, ...rest } = given
  return { ...rest, enterOdds: logitOf(given.calibration.enter), exitOdds: logitOf(exit) }
}

/** Log odds of every persona into `out` (C entries). */
export function oddsInto(
  out: Float64Array,
  { score, content, weight }: Known,
  { calibration, prior, bias }: OddsPolicy,
): void {
  const personas = out.length
  const total = score === undefined ? 0 : scoreTotal(score, personas)
  const logDegree = logDegreeOf(weight)
  for (let c = 0; c < personas; c++) {
    const lift =
      score === undefined || prior[c] === 0
        ? 0
        : Math.log(Math.max(score.values[score.offset + c]! / total, shareMin) / prior[c]!)
    const read =
      content === undefined || bias === undefined
        ? 0
        : contentScoreOf(bias[c]!, content.values[content.offset + c]!, weight)
    out[c] = oddsOf(calibration, c, { logLift: lift, content: read, logDegree })
  }
}

/**
 * Decides the held set by log odds, in place: `held` has 0/1 a persona at [held.offset, + C) and is read as what was held
 * before. Returns the primary persona's index, the held one of highest odds (ties to the lower index), or −1.
 */
export function decideByOdds(
  odds: Float64Array,
  held: { readonly values: Uint8Array; readonly offset: number },
  { enterOdds, exitOdds, carried }: OddsPolicy,
): number {
  let primary = -1
  for (let c = 0; c < odds.length; c++) {
    const before = held.values[held.offset + c] === 1
    const holds = carried[c] === 1 && odds[c]! >= (before ? exitOdds : enterOdds)
    held.values[held.offset + c] = holds ? 1 : 0
    if (holds && (primary < 0 || odds[c]! > odds[primary]!)) primary = c
  }
  return primary
}

/**
 * How far S(u) may move (in any entry, and in total) before deciding a landed user anew can give another answer. A persona
 * is entered or left where q_c crosses the share at which its log odds are at the threshold; two held ones change places
 * where their log odds meet.
 */
export function oddsSlack(
  odds: Float64Array,
  held: { readonly values: Uint8Array; readonly offset: number },
  {
    score,
    weight,
    primary,
    policy,
    landingMassMin,
  }: {
    readonly score: Row
    readonly weight: number
    readonly primary: number
    readonly policy: OddsPolicy
    readonly landingMassMin: number
  },
): number {
  const { carried, calibration, enterOdds, exitOdds } = policy
  const { coefficients } = calibration
  const personas = odds.length
  const total = scoreTotal(score, personas)
  const logDegree = logDegreeOf(weight)
  const floor = shareMin * total
  let slack = Math.min(total / 2, total - landingMassMin * weight * publishedOne)
  for (let c = 0; c < personas; c++) {
    const slope = coefficients[c * featureCount + 1]! + coefficients[c * featureCount + 4]! * logDegree
    if (carried[c] === 0 || slope === 0) continue
    const entry = score.values[score.offset + c]!
    const holds = held.values[held.offset + c] === 1
    const away = (holds ? exitOdds : enterOdds) - odds[c]!
    const sure = Math.abs(away) - roundingOdds * (1 + Math.abs(odds[c]!))
    if (sure <= 0) return 0
    // S_c at which the threshold is reached, were the total to stay: log odds are slope · log q and what does not move
    const target = Math.max(entry, floor) * Math.exp((away < 0 ? -sure : sure) / slope)
    if (target <= floor || target === Number.POSITIVE_INFINITY) continue // no share there is gets there
    // (S_c ± r) / (Σ ∓ r) = target / Σ
    slack = Math.min(slack, Math.abs(target - entry) / (1 + target / total))
  }
  if (primary >= 0)
    slack = Math.min(slack, slackOfPrimary(odds, held, { score, total, logDegree, primary, policy }))
  return slack - total * rounding
}

/**
 * How far before another held persona may have higher odds than the primary. A move of r changes log q_c by at most
 * 1.39 r (1/S_c + 1/ΣS) while r is at most half of either, for −log(1 − x) ≤ 1.39 x there.
 */
function slackOfPrimary(
  odds: Float64Array,
  held: { readonly values: Uint8Array; readonly offset: number },
  {
    score,
    total,
    logDegree,
    primary,
    policy,
  }: {
    readonly score: Row
    readonly total: number
    readonly logDegree: number
    readonly primary: number
    readonly policy: OddsPolicy
  },
): number {
  const { coefficients } = policy.calibration
  let slack = Number.POSITIVE_INFINITY
  const steepness = (c: number) => {
    const slope = coefficients[c * featureCount + 1]! + coefficients[c * featureCount + 4]! * logDegree
    const entry = Math.max(score.values[score.offset + c]!, shareMin * total)
    if (slope !== 0) slack = Math.min(slack, entry / 2)
    return 1.39 * Math.abs(slope) * (1 / entry + 1 / total)
  }
  let steepest: number | undefined
  for (let c = 0; c < odds.length; c++) {
    if (c === primary || held.values[held.offset + c] === 0) continue
    steepest ??= steepness(primary)
    const steep = steepness(c) + steepest
    if (steep > 0) slack = Math.min(slack, (odds[primary]! - odds[c]!) / steep)
  }
  return slack
}

/** More than any rounding could hide, of scores and of log odds. */
const rounding = 1e-9
const roundingOdds = 1e-12

/** By how much at the most a move of S(u) moves an entry, or the total. */
export function oddsReach(move: Float64Array): number {
  let most = 0
  let total = 0
  for (const value of move) {
    most = Math.max(most, Math.abs(value))
    total += value
  }
  return Math.max(most, Math.abs(total))
}
