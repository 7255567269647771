// A persona change: what became different about one user at one input position, and why. Deterministic.
import type { RecordRef } from './event.ts'
import type { Status } from './persona.ts'

export type PersonaProbability = { readonly persona: string; readonly probability: number }

/** A product that carries `share` of the landing mass of what entered. */
export type Evidence = {
  readonly productId: string
  readonly title: string | undefined
  readonly share: number
}

/** The cause: the record applied at this position. `eventId` of a control record is a name of it. */
export type Cause = { readonly eventId: string; readonly ref: RecordRef; readonly ts: number }

/** What a user is answered with: the part of the state that a change event is about. */
export type Answer = {
  readonly status: Status
  readonly personas: readonly PersonaProbability[]
  readonly primary: string | undefined
}

export type PersonaChange = {
  readonly userId: string
  readonly sequence: number
  readonly cause: Cause
  readonly status: Status
  readonly entered: readonly PersonaProbability[]
  readonly exited: readonly PersonaProbability[]
  readonly personas: readonly PersonaProbability[]
  readonly primary: string | undefined
  readonly previousPrimary: string | undefined
  readonly evidence: readonly Evidence[]
  readonly version: number
}

/**
 * What differs between two answers of one user: undefined when held set, primary and status are the same.
 * `probabilityOf` gives what a persona that left has now (0 when the version does not know it).
 */
export function differenceOf(
  before: Answer,
  after: Answer,
  probabilityOf: (persona: string) => number,
): { entered: PersonaProbability[]; exited: PersonaProbability[] } | undefined {
  const had = new Set(before.personas.map(({ persona }) => persona))
  const has = new Set(after.personas.map(({ persona }) => persona))
  const entered = after.personas.filter(({ persona }) => !had.has(persona))
  const exited = before.personas
    .filter(({ persona }) => !has.has(persona))
    .map(({ persona }) => ({ persona, probability: probabilityOf(persona) }))
  const same = entered.length === 0 && exited.length === 0 && before.primary === after.primary
  return same && before.status === after.status ? undefined : { entered, exited }
}

/** The products of greatest contribution, best first (ties by product id), as shares of `total`. */
export function topEvidence(
  contributions: Iterable<{ productId: string; title: string | undefined; contribution: number }>,
  { total, productsMax }: { total: number; productsMax: number },
): Evidence[] {
  if (total <= 0) return []
  return [...contributions]
    .filter(({ contribution }) => contribution > 0)
    .sort((a, b) => b.contribution - a.contribution || (a.productId < b.productId ? -1 : 1))
    .slice(0, productsMax)
    .map(({ productId, title, contribution }) => ({ productId, title, share: contribution / total }))
}
