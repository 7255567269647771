// The running answers against labels: what lookups say of users who are no prototypes, judged as it stands in the store.
import { sigmoid } from '../core/logistic.ts'
import type { Labels } from '../pipeline/labelled.ts'
import type { StoreReader, UserRow } from '../store/port.ts'
import { type Predictions, type Quality, qualityOf } from './metrics.ts'

export type LiveQuality = Quality & { epoch: number; evidence: string; prototypes: number }

/**
 * Quality of the answers held for these users, prototypes left out; undefined when none of them is known.
 */
export function liveQuality(
  store: StoreReader,
  { labels, personas }: { labels: Iterable<Labels>; personas: readonly string[] },
): LiveQuality | undefined {
  const { version, epoch } = store.counters()
  const names = store.version(version)?.personas.map(({ name }) => name) ?? []
  const truth: Uint8Array[] = []
  const rows: UserRow[] = []
  for (const { userIndex, shares } of labels) {
    const row = store.user(userIndex)
    if (row === undefined || row.status === 'prototype' || row.weight === 0) continue
    const own = new Uint8Array(personas.length)
    for (const { persona, share } of shares) if (share > 0) own[persona] = 1
    truth.push(own)
    rows.push(row)
  }
  if (rows.length === 0) return undefined
  const stored = epoch === 0 ? undefined : store.epoch(epoch)
  const predictions = predictionsOf(rows, {
    indices: personas.map((name) => names.indexOf(name)),
    base: stored?.calibration.base,
  })
  return {
    ...qualityOf(predictions, joined(truth, personas.length), personas.length),
    epoch,
    evidence: stored?.evidence ?? 'walk',
    prototypes: store.version(version)?.prototypes ?? 0,
  }
}

function joined(rows: readonly Uint8Array[], width: number): Uint8Array {
  const all = new Uint8Array(rows.length * width)
  for (const [i, row] of rows.entries()) all.set(row, i * width)
  return all
}

/**
 * `indices[c]`: where persona c stands in the rows, −1 for one that the version does not know. An unknown user is as
 * probable as anybody: the base rates (log odds), as in `evaluate`.
 */
function predictionsOf(
  rows: readonly UserRow[],
  { indices, base }: { indices: readonly number[]; base: Float64Array | undefined },
): Predictions {
  const probabilities = new Float64Array(rows.length * indices.length)
  const held = new Uint8Array(probabilities.length)
  const known = Uint8Array.from(rows, ({ status }) => (status === 'unknown' ? 0 : 1))
  for (const [i, row] of rows.entries()) {
    const holds = new Set(row.held.map(({ persona }) => persona))
    let total = 0
    for (const score of row.scores) total += score
    for (const [c, at] of indices.entries()) {
      const to = i * indices.length + c
      if (at < 0) continue
      if (row.status === 'unknown') {
        if (base !== undefined) probabilities[to] = sigmoid(base[at]!)
        continue
      }
      probabilities[to] = row.epoch > 0 ? row.probabilities[at]! : total === 0 ? 0 : row.scores[at]! / total
      if (holds.has(at)) held[to] = 1
    }
  }
  return { probabilities, held, known }
}
