// The running answers against labels: what lookups say of users who are no prototypes, judged as it stands in the store.
import type { Labels } from '../pipeline/labelled.ts'
import type { StoreReader, UserRow } from '../store/port.ts'
import { type Predictions, type Quality, qualityOf } from './metrics.ts'

export type LiveQuality = Quality & { epoch: number; evidence: string; prototypes: number }

/**
 * Quality of the answers held for these users, prototypes left out; undefined when none of them is known. A persona of
 * no probability yet (unknown users) counts as absent.
 */
export function liveQuality(
  store: StoreReader,
  { labels, personas }: { labels: Iterable<Labels>; personas: readonly string[] },
): LiveQuality | undefined {
  const { version, epoch } = store.counters()
  const names = store.version(version)?.personas.map(({ name }) => name) ?? []
  const truth: number[] = []
  const rows: UserRow[] = []
  for (const { userIndex, shares } of labels) {
    const row = store.user(userIndex)
    if (row === undefined || row.status === 'prototype' || row.weight === 0) continue
    const own = new Uint8Array(personas.length)
    for (const { persona, share } of shares) if (share > 0) own[persona] = 1
    truth.push(...own)
    rows.push(row)
  }
  if (rows.length === 0) return undefined
  const stored = epoch === 0 ? undefined : store.epoch(epoch)
  const predictions = predictionsOf(
    rows,
    personas.map((name) => names.indexOf(name)),
  )
  return {
    ...qualityOf(predictions, Uint8Array.from(truth), personas.length),
    epoch,
    evidence: stored?.evidence ?? 'walk',
    prototypes: store.version(version)?.prototypes ?? 0,
  }
}

/** `indices[c]`: where persona c stands in the rows, −1 for one that the version does not know. */
function predictionsOf(rows: readonly UserRow[], indices: readonly number[]): Predictions {
  const probabilities = new Float64Array(rows.length * indices.length)
  const held = new Uint8Array(probabilities.length)
  const known = Uint8Array.from(rows, ({ status }) => (status === 'unknown' ? 0 : 1))
  for (const [i, row] of rows.entries()) {
    const holds = new Set(row.held.map(({ persona }) => persona))
    let total = 0
    for (const score of row.scores) total += score
    for (const [c, at] of indices.entries()) {
      const to = i * indices.length + c
      if (at < 0 || row.status === 'unknown') continue
      probabilities[to] = row.epoch > 0 ? row.probabilities[at]! : total === 0 ? 0 : row.scores[at]! / total
      if (holds.has(at)) held[to] = 1
    }
  }
  return { probabilities, held, known }
}
