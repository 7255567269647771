// An epoch: one fit of probabilities, from a position of the stream on. Users say which epoch they were decided under.
import type { Calibration } from './calibration.ts'
import type { Evidence } from './fit.ts'

/** Why a fit was made: enough prototypes had evidence, their edges grew, it was asked for, or a version was switched to. */
export const epochCauses = ['evidence', 'growth', 'command', 'version'] as const
export type EpochCause = (typeof epochCauses)[number]

export type Epoch = {
  /** 1, 2, 3 … over the life of a store. */
  readonly epoch: number
  /** Prototype-set version that it belongs to. */
  readonly version: number
  readonly cause: EpochCause
  /** Position of the record with which it was fitted: it counts from the next one on. */
  readonly position: number
  /** Prototypes with a live edge, and their live edges, then. */
  readonly prototypes: number
  readonly edges: number
  /** What it reads: the walk, or both walk and words. */
  readonly evidence: Evidence
  readonly calibration: Calibration
  /** Probability below which a held persona is left. */
  readonly exit: number
  /** Number of the content fit that it was fitted beside, 0 for none; and the prototypes' edges at that fit. */
  readonly head: number
  readonly headEdges: number
  /** Mean landing mass that one purchase brings, and the least that a walk must land with. */
  readonly landingPerPurchase: number
  readonly landingMassMin: number
}

/** Prototypes' edges at which the next fit is due: a quarter more. */
export function nextFitAt({ edges }: Epoch): number {
  return Math.max(edges + 1, Math.ceil(edges * 1.25))
}

/** Edges at which the words are fitted anew beside it: twice as many as last time. */
export function nextHeadAt({ headEdges }: Epoch): number {
  return 2 * headEdges
}
