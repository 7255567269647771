// Record by record: the engine and the oracle side by side, with what each made of the record.
import type { OracleRecord } from '../oracle/model.ts'
import { type OracleOutcome, OracleStream } from '../oracle/stream.ts'
import { changesOf, oracleConfigOf, type Rig, type RigOptions, withRig } from './engine-harness.ts'
import { batchOf, encodeRecords } from './engine-records.ts'

export type Step = {
  /** The oracle's position, and the offset of the record (of the switch, for an import). */
  readonly position: number
  readonly offset: number
  readonly record: OracleRecord
  readonly rig: Rig
  /** The oracle after this record, and what it says that the record did. */
  readonly oracle: OracleStream
  readonly outcome: OracleOutcome
  /** Change events of this record. */
  readonly lines: readonly string[]
  /** Users that the engine counts as re-walked. */
  readonly rewalks: number
  /** Greatest time of an event that counted before this record; −1 before the first. */
  readonly streamMs: number
}

/** Applies each record alone and shows what became of it, while both are as of that record. */
export function driveSteps(
  records: readonly OracleRecord[],
  options: RigOptions,
  { before, after }: { before?: (rig: Rig, oracle: OracleStream) => void; after: (step: Step) => void },
): Promise<void> {
  const encoded = encodeRecords(records)
  return withRig(options, (rig) => {
    const oracle = new OracleStream(oracleConfigOf(rig.policy))
    const seen = new Set<string>()
    let streamMs = -1
    let next = 0
    records.forEach((record, position) => {
      before?.(rig, oracle)
      const { changes, rewalks } = rig.store.counters()
      for (; encoded.positions[next] === position; next++)
        rig.process(batchOf(encoded.records, next, next + 1))
      after({
        position,
        offset: next - 1,
        record,
        rig,
        oracle,
        outcome: oracle.apply(record),
        lines: changesOf(rig.store, changes),
        rewalks: rig.store.counters().rewalks - rewalks,
        streamMs,
      })
      if (record.kind !== 'event' || seen.has(record.event_id)) return
      seen.add(record.event_id)
      streamMs = Math.max(streamMs, Date.parse(record.ts))
    })
  })
}
