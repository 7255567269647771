// Records of shops whose probabilities are fitted: titles from a few words, so that the content head has something to read;
// and what such a run leaves, exact, as exports say it.
import fc from 'fast-check'
import type { Config } from '../../src/config.ts'
import { configFrom } from '../../src/config.ts'
import { exportUsers } from '../../src/lookup/export.ts'
import { snapshotOf } from '../../src/lookup/snapshot.ts'
import { verify } from '../../src/lookup/verify.ts'
import type { Store } from '../../src/store/port.ts'
import type { OracleRecord } from '../oracle/model.ts'

const words = ['red', 'baby', 'garden', 'lamp', 'cake', 'tin', 'heart', 'wooden', 'tea', 'set']

/** Each event names its product by a title that depends on the product alone, and now and then by another one. */
export function withTitles(records: readonly OracleRecord[]): OracleRecord[] {
  return records.map((record, nth) =>
    record.kind === 'event'
      ? { ...record, title: titleOf(record.product_id, nth % 17 === 0 ? nth : 0) }
      : record,
  )
}

function titleOf(productId: string, turn: number): string {
  let hash = turn
  for (const letter of productId) hash = (hash * 31 + letter.codePointAt(0)!) % 100_003
  return [0, 1, 2].map((i) => words[(hash + i * (1 + (hash % 7))) % words.length]!).join(' ')
}

/** Fits are due after one to four prototypes with edges, so that a short sequence sees many of them. */
export const calibratedSettings: fc.Arbitrary<Partial<Config>> = fc.record({
  calibrationMin: fc.integer({ min: 1, max: 4 }),
  enterProbability: fc.constantFrom(0, 0, 0.2, 0.5),
  exitRatio: fc.constantFrom(0.8, 0.5, 1),
  sweepUsers: fc.integer({ min: 0, max: 3 }),
  contentHead: fc.constantFrom('auto' as const, 'auto' as const, 'off' as const),
  delta: fc.constantFrom(0.02, 0.5),
  landingMassMin: fc.constantFrom(0.05, 0.3),
})

/** Lines of `export users`: computed from edges, so that they do not depend on when rows were written. */
export function exportedUsers(store: Store, config: Partial<Config>): string[] {
  return [...exportUsers(snapshotOf(store, configFrom({}, config)))]
    .map((line) => JSON.stringify(line))
    .sort()
}

export function problemsOf(store: Store, given: Partial<Config>): string[] {
  const config = configFrom({}, given)
  const snapshot = snapshotOf(store, config)
  const { score_mismatches, vector_mismatches, list_mismatches, first_problems } = verify(snapshot, {
    repeat: config.weightsRepeat,
    delta: config.delta,
    decision: snapshot.decision,
  })
  return score_mismatches + vector_mismatches + list_mismatches === 0 ? [] : first_problems
}
