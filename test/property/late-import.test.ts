// Versions: an import built in slices while events arrive equals an import and switch done at once, where the switch is.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { shadowOf } from '../../src/pipeline/version.ts'
import { crowdSize, recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleImport, OracleRecord } from '../oracle/model.ts'
import { personaOrder } from '../oracle/prototypes.ts'
import { OracleStream } from '../oracle/stream.ts'
import { checkState } from '../support/engine-checks.ts'
import { changesOf, oracleConfigOf, type Rig, type RigOptions, withRig } from '../support/engine-harness.ts'
import {
  type Bytes,
  batchOf,
  controlBytes,
  eraseBytes,
  eventBytes,
  importControl,
  recordAt,
} from '../support/engine-records.ts'
import { inOrder, oracleChangesOf } from '../support/engine-view.ts'

type Plan = {
  /** Where the late import's record stands and where its switch does, in thousandths. */
  readonly from: number
  readonly to: number
  /** Users of the import who are erased while it is pending. */
  readonly erased: readonly number[]
  readonly batchSize: number
  /** Edges read between two batches; 0: all is built at the switch. */
  readonly slice: number
  /** Every so many batches a restart, which begins the building anew; 0: never. */
  readonly restartEvery: number
}
const plans: fc.Arbitrary<Plan> = fc.record({
  from: fc.nat({ max: 1000 }),
  to: fc.nat({ max: 1000 }),
  erased: fc.array(fc.nat({ max: 1000 }), { maxLength: 3 }),
  batchSize: fc.constantFrom(1, 1, 3, 20),
  slice: fc.constantFrom(0, 1, 1, 5),
  restartEvery: fc.constantFrom(0, 0, 2, 7),
})
const sequences = fc.oneof(
  { weight: 4, arbitrary: recordsArbitrary() },
  { weight: 1, arbitrary: recordsArbitrary(crowdSize) },
)

describe('an import while events arrive', () => {
  for (const { store, numRuns } of [
    { store: 'memory' as const, numRuns: 150 },
    { store: 'lmdb' as const, numRuns: 20 },
  ])
    it(`built in slices equals one built and switched to at once, store: ${store}`, () =>
      fc.assert(
        fc.asyncProperty(sequences, plans, (records, plan) =>
          assertLateEqualsAtOnce(records, plan, { store }),
        ),
        { numRuns },
      ))
})

/** The first import is there from the start; the last one comes late; others are left out. */
async function assertLateEqualsAtOnce(
  drawn: readonly OracleRecord[],
  plan: Plan,
  options: RigOptions,
): Promise<void> {
  const imports = drawn.filter((record) => record.kind === 'import')
  const [first, late] = [imports[0]!, imports.at(-1)!]
  const rest = drawn.filter(({ kind }) => kind !== 'import')
  const from = Math.floor((Math.min(plan.from, plan.to) * rest.length) / 1000)
  const to = Math.floor((Math.max(plan.from, plan.to) * rest.length) / 1000)
  const hasFirst = importControl(first).set.hash !== importControl(late).set.hash
  const erased: OracleRecord[] = plan.erased.map((nth) => ({
    kind: 'erase',
    user_id: late.labels[nth % late.labels.length]!.user_id,
  }))
  const start = hasFirst ? [first] : []
  const [before, while_, after] = [rest.slice(0, from), [...rest.slice(from, to), ...erased], rest.slice(to)]
  const gone = new Set(while_.flatMap((record) => (record.kind === 'erase' ? [record.user_id] : [])))
  const atOnce: OracleRecord[] = [...start, ...before, ...while_, withoutLabels(late, gone), ...after]
  const switchAt = start.length + before.length + while_.length

  await withRig(options, async (rig) => {
    const oracle = new OracleStream(oracleConfigOf(rig.policy))
    const changes = atOnce.flatMap((record) => oracle.apply(record).changes)
    const bytes: { bytes: Bytes; position: number }[] = []
    atOnce.forEach((record, position) => {
      if (position === start.length + before.length)
        bytes.push({ bytes: controlBytes(importControl(late)), position })
      if (position === switchAt) {
        bytes.push({ bytes: controlBytes({ kind: 'switch', version: hasFirst ? 2 : 1 }), position })
      } else if (record.kind === 'import') {
        bytes.push({ bytes: controlBytes(importControl(record)), position })
        bytes.push({ bytes: controlBytes({ kind: 'switch', version: 1 }), position })
      } else
        bytes.push({
          bytes: record.kind === 'event' ? eventBytes(record) : eraseBytes(record.user_id),
          position,
        })
    })
    const positions = bytes.map(({ position }) => position)
    await consume(
      rig,
      bytes.map((entry) => entry.bytes),
      plan,
    )
    checkState(rig.store, oracle)
    const erasedAt = new Map(
      atOnce.flatMap((record, at) => (record.kind === 'erase' ? [[record.user_id, at] as const] : [])),
    )
    const left = changes.filter(({ user_id, position }) => position > (erasedAt.get(user_id) ?? -1))
    assert.deepEqual(oracleChangesOf(changesOf(rig.store), positions), inOrder(left))
  })
}

/** As the consumer does: a batch, then a slice of the pending version. */
async function consume(
  rig: Rig,
  all: readonly Bytes[],
  { batchSize, slice, restartEvery }: Plan,
): Promise<void> {
  const records = all.map((bytes, offset) => recordAt(offset, bytes))
  for (let from = 0, turn = 1; from < records.length; from += batchSize, turn++) {
    rig.process(batchOf(records, from, from + batchSize))
    if (restartEvery > 0 && turn % restartEvery === 0) await rig.restart()
    rig.engine.shadow ??= shadowOf(rig.store)
    if (slice > 0) rig.engine.shadow?.build(rig.store, slice)
  }
}

/** The labels that are left of an import whose set stays what it is: its personas keep their places. */
function withoutLabels(record: OracleImport, gone: ReadonlySet<string>): OracleImport {
  if (record.labels.every(({ user_id }) => !gone.has(user_id))) return record
  const personas = personaOrder(record).map((name) => ({ name, description: '' }))
  const labels = record.labels.filter(({ user_id }) => !gone.has(user_id))
  return { kind: 'import', labels, personaSet: { version: 'what is left', personas } }
}
