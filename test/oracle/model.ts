/**
 * Oracle, the vocabulary: records, configuration and units. The oracle is a second, naive reading of
 * DESIGN.md section 1. It imports nothing from src/, so that agreement of the two means something.
 */

export interface OracleConfig {
  /** Weight of the virtual prior buyer that stands in every product, in thousandths. */
  readonly kappa: number
  /** A product is re-published when its L1 drift is more than delta * rho. */
  readonly delta: number
  /** `once`: an edge weighs its largest live type weight; `sum`: each live type weight once. */
  readonly repeat: 'once' | 'sum'
  readonly k: number
  readonly floor: number
  readonly margin: number
  readonly landingMassMin: number
  /** A user of less total weight (thousandths) is unknown. */
  readonly weightMin: number
}

export const defaultOracleConfig: OracleConfig = {
  kappa: 3000,
  delta: 0.02,
  repeat: 'once',
  k: 3,
  floor: 0.08,
  margin: 0.02,
  landingMassMin: 0.05,
  weightMin: 1000,
}

export type OracleEventType = 'purchase' | 'return' | 'view' | 'cart' | 'review'

export interface OracleEvent {
  readonly kind: 'event'
  readonly event_id: string
  readonly user_id: string
  readonly product_id: string
  readonly type: OracleEventType
  readonly quantity?: number
  /** ISO 8601. */
  readonly ts: string
  readonly title?: string
}

/** Personas of equal share, or name → probability (any positive sum). */
export type OracleLabelPersonas = readonly string[] | Readonly<Record<string, number>>

export interface OracleLabel {
  readonly user_id: string
  readonly personas: OracleLabelPersonas
}

export interface OraclePersonaSet {
  readonly version: string
  readonly personas: readonly {
    readonly name: string
    readonly description: string
    readonly keywords?: readonly string[]
  }[]
}

/** An import and the switch to it, at this very position. It replaces the whole prototype set. */
export interface OracleImport {
  readonly kind: 'import'
  readonly labels: readonly OracleLabel[]
  readonly personaSet?: OraclePersonaSet
}

export interface OracleErase {
  readonly kind: 'erase'
  readonly user_id: string
}

export type OracleRecord = OracleEvent | OracleImport | OracleErase

export type OracleStatus = 'prototype' | 'inferred' | 'unknown'

/** Label shares are whole numbers of 2^-20. */
export const shareUnit = 2 ** 20
/** Published vectors are whole numbers of 2^-24. */
export const publishedUnit = 2 ** 24

export function sumOf(vector: Iterable<number>): number {
  let sum = 0
  for (const entry of vector) sum += entry
  return sum
}

export function zeros(length: number): number[] {
  return new Array<number>(length).fill(0)
}

/** Sums are exact only as long as they are whole numbers below 2^53. */
export function assertWhole(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Error(`oracle: ${value} is not a whole number below 2^53`)
  return value
}
