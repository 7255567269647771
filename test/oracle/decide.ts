/**
 * Oracle, decision before calibration: from a score and the personas held before, to status, held
 * personas and primary.
 */
import { distributionOf, landingMassOf, type OracleScore } from './batch.ts'
import type { OracleConfig, OracleStatus } from './model.ts'
import type { OraclePrototypeSet } from './prototypes.ts'

export interface OracleAnswer {
  readonly status: OracleStatus
  /** Names, by q (a prototype: by share) descending, ties to the lower persona index. */
  readonly held: readonly string[]
  readonly primary: string | null
}

export const nothingKnown: OracleAnswer = { status: 'unknown', held: [], primary: null }

/** The answer of a user who is no prototype. Held names the set does not have are simply gone. */
export function decide(options: {
  readonly score: OracleScore
  readonly heldBefore: readonly string[]
  readonly set: OraclePrototypeSet
  readonly config: OracleConfig
}): OracleAnswer {
  const { score, heldBefore, set, config } = options
  if (score.W < config.weightMin) return nothingKnown
  const z = landingMassOf(score)
  if (z === 0 || z < config.landingMassMin) return nothingKnown // without mass there is no q
  const q = distributionOf(score)
  const held = descending(q).filter((persona, place) => {
    const rank = place + 1
    if (!set.carried[persona]!) return false
    if (heldBefore.includes(set.personas[persona]!)) {
      const leaves = rank > config.k + 1 || q[persona]! < config.floor - config.margin
      return !leaves
    }
    return rank <= config.k && q[persona]! >= config.floor
  })
  return answerOf('inferred', held, set)
}

/** A prototype answers with its labels. */
export function prototypeAnswer(set: OraclePrototypeSet, user: string): OracleAnswer {
  const shares = set.shares.get(user)!
  return answerOf(
    'prototype',
    descending(shares).filter((persona) => shares[persona]! > 0),
    set,
  )
}

/** Indices by value descending, ties to the lower index. */
function descending(values: readonly number[]): number[] {
  return values.map((_, index) => index).sort((a, b) => values[b]! - values[a]! || a - b)
}

function answerOf(status: OracleStatus, held: readonly number[], set: OraclePrototypeSet): OracleAnswer {
  const names = held.map((persona) => set.personas[persona]!)
  return { status, held: names, primary: names[0] ?? null }
}
