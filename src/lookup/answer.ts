// Lookup: the answer held for one user, from one row. What bidders read; never further than delta from the engine.
import type { Epoch } from '../core/epoch.ts'
import { publishedOne } from '../core/limits.ts'
import type { StoreReader, UserRow } from '../store/port.ts'
import { isoTime } from './iso-time.ts'
import type { PersonaNames } from './names.ts'

export type HeldPersona = { readonly persona: string; readonly probability: number; readonly since: string }

/** What a lookup answers. `landing_mass` is null for a prototype, which answers with its labels. */
export type PersonasAnswer = {
  readonly user_id: string
  readonly status: string
  readonly personas: readonly HeldPersona[]
  readonly primary: string | null
  readonly landing_mass: number | null
  readonly method: string
  readonly version: number
  readonly prototype_set_version: number
  /** Fit that the probabilities are of; 0 before the first, when a probability is the walk's share q. */
  readonly calibration_epoch: number
  /** Why nothing is known, and purchases that are still needed as far as can be told: only with status unknown. */
  readonly missing?: string
  readonly purchases_needed?: number | null
}

/** The answer for `userId`; undefined for a user never seen (or erased). */
export function lookUp(store: StoreReader, names: PersonaNames, userId: string): PersonasAnswer | undefined {
  const user = store.userIndexOf(userId)
  const row = user === undefined ? undefined : store.user(user)
  return row && answerOf(row, names)
}

export function answerOf(row: UserRow, names: PersonaNames): PersonasAnswer {
  const total = totalOf(row.scores)
  return {
    user_id: row.userId,
    status: row.status,
    personas: heldOf(row, {
      names: names.of(row.version),
      scores: row.scores,
      total,
      probabilities: row.epoch === 0 || row.status === 'prototype' ? undefined : row.probabilities,
    }),
    primary: names.of(row.version)[row.primary] ?? null,
    landing_mass:
      row.status === 'prototype'
        ? null
        : row.status === 'unknown'
          ? 0
          : total / (row.scoreWeight * publishedOne),
    method: methodOf(row),
    version: row.sequence,
    prototype_set_version: row.version,
    calibration_epoch: row.epoch,
    ...(row.status === 'unknown'
      ? { missing: missingOf(row), purchases_needed: purchasesNeeded(row, names.epoch(row.epoch)) }
      : {}),
  }
}

/** Held personas, most probable first (ties in the set's order). */
export function heldOf(
  row: UserRow,
  {
    names,
    scores,
    total,
    probabilities,
  }: {
    names: readonly string[]
    scores: Float64Array
    total: number
    /** Calibrated ones, C entries; q stands in. */
    probabilities?: Float64Array | undefined
  },
): HeldPersona[] {
  return row.held
    .map(({ persona, since }) => ({
      persona: names[persona]!,
      probability: probabilities?.[persona] ?? (total === 0 ? 0 : scores[persona]! / total),
      since: isoTime(since),
    }))
    .sort((a, b) => b.probability - a.probability)
}

export function totalOf(scores: Float64Array): number {
  let total = 0
  for (const score of scores) total += score
  return total
}

/** `label` for a prototype, `exact` or `sampled` for a walk that landed, `none` otherwise. */
export function methodOf({ status, method }: UserRow): string {
  return status === 'prototype' ? 'label' : method
}

function missingOf({ weight, version }: UserRow): string {
  if (version === 0) return 'no prototypes yet: import labelled users with `kindred prototypes import`'
  if (weight < 1000) return 'a purchase: what was seen so far weighs less than one'
  return 'purchases of products that labelled users buy: too few of the products bought so far are'
}

/**
 * Purchases until the walk lands, if they bring what prototypes' purchases bring on average; null where that never does, or
 * where nothing is known of it yet.
 */
function purchasesNeeded({ weight, scores }: UserRow, epoch: Epoch | undefined): number | null {
  const bought = weight / 1000
  if (epoch === undefined) return bought < 1 ? 1 : null
  const { landingPerPurchase, landingMassMin } = epoch
  if (landingPerPurchase <= landingMassMin) return null
  const landed = totalOf(scores) / publishedOne / 1000
  const more = (landingMassMin * bought - landed) / (landingPerPurchase - landingMassMin)
  return Math.max(1, Math.ceil(more - 1e-9)) // less than rounding could make one of
}
