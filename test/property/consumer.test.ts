// The consumer: whatever is appended while it runs, stops and starts, it ends up switched to the last import, and where
// one run over its whole log ends up.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { mentionsUser } from '../../src/codec/mentions-user.ts'
import { Consumer } from '../../src/pipeline/consume.ts'
import { recordsArbitrary } from '../oracle/arbitraries.ts'
import type { OracleImport, OracleRecord } from '../oracle/model.ts'
import { driveRig, outcomeOf, type Rig, withRig } from '../support/engine-harness.ts'
import {
  type Bytes,
  controlBytes,
  encodeRecords,
  eraseBytes,
  eventBytes,
  importControl,
  withBroken,
} from '../support/engine-records.ts'
import { type MemoryLog, memoryLog } from '../support/memory-log.ts'

/** Between two appended records: batches consumed, and whether the consumer starts anew after. */
type Pause = { readonly steps: number; readonly restart: boolean }
const pauses: fc.Arbitrary<Pause[]> = fc.array(
  fc.record({
    steps: fc.constantFrom(0, 0, 0, 1, 2, 9),
    restart: fc.oneof(
      { weight: 9, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
  }),
  { minLength: 1, maxLength: 20 },
)
/** Imports appended on top of the drawn ones: many, and often back to one that was there before. */
const extraImports = fc.array(fc.record({ at: fc.nat({ max: 1000 }), of: fc.nat({ max: 1000 }) }), {
  maxLength: 6,
})

/** Places of broken records. */
const broken = fc.array(fc.nat({ max: 1000 }), { maxLength: 5 })

describe('the consumer', () => {
  for (const { store, numRuns } of [
    { store: 'memory' as const, numRuns: 120 },
    { store: 'lmdb' as const, numRuns: 15 },
  ])
    it(`switches to the last import, and leaves what one run over its log leaves, store: ${store}`, () =>
      fc.assert(
        fc.asyncProperty(
          recordsArbitrary(),
          extraImports,
          pauses,
          fc.constantFrom(1, 2, 50),
          async (drawn, extra, plan, batchSize) => {
            const records = withImports(drawn, extra)
            const log = memoryLog()
            const consumed = await withRig({ store }, async (rig) => {
              await appendAndConsume(rig, log, { records, plan, batchSize })
              const last = records.findLast((record) => record.kind === 'import')!
              assert.equal(rig.store.pendingImport(), undefined, 'nothing is pending')
              const { version } = rig.store.counters()
              assert.equal(rig.store.version(version)?.hash, importControl(last).set.hash, 'the last import')
              return { ...outcomeOf(rig), erased: records.some(({ kind }) => kind === 'erase') }
            })
            if (consumed.erased) return // a scrubbed log cannot tell all of it again
            const { changes, view } = await withRig({ store: 'memory' }, (rig) =>
              driveRig(rig, log.records, 1000),
            )
            assert.deepEqual({ changes: consumed.changes, view: consumed.view }, { changes, view })
          },
        ),
        { numRuns },
      ))
})

describe('erasure in the log', () => {
  it('leaves no record of an erased user below the erasure', () =>
    fc.assert(
      fc.asyncProperty(recordsArbitrary(), broken, async (records, places) => {
        const log = memoryLog()
        for (const record of withBroken(encodeRecords(records).records, places)) log.append(record)
        await assertScrubbed(log)
      }),
      { numRuns: 60 },
    ))

  it('leaves no record of one who was never more than quarantined, or labelled by a pending import', async () => {
    const log = memoryLog()
    log.append({ text: '{"type":"gift","user_id":"ann"}', format: { kind: 'json' } })
    log.append(
      controlBytes(importControl({ kind: 'import', labels: [{ user_id: 'ben', personas: ['Baker'] }] })),
    )
    log.append(eraseBytes('ann'))
    log.append(eraseBytes('ben'))
    await assertScrubbed(log)
  })
})

/** After the consumer is through, nothing below an erasure mentions its user. */
async function assertScrubbed(log: MemoryLog): Promise<void> {
  const erased = log.records.filter(({ text }) => text.startsWith('{"kind":"erase"'))
  await withRig({ store: 'memory' }, (rig) => consumerOf(rig, log, 10).drain())
  for (const { text, offset } of erased) {
    const { userId } = JSON.parse(text) as { userId: string }
    const left = log.records
      .slice(0, offset)
      .filter((record) => mentionsUser({ text: record.text, format: record.format }, userId))
    assert.deepEqual(
      left.map((record) => record.text),
      [],
      `of ${userId}, erased at ${offset}`,
    )
  }
}

async function appendAndConsume(
  rig: Rig,
  log: MemoryLog,
  {
    records,
    plan,
    batchSize,
  }: { records: readonly OracleRecord[]; plan: readonly Pause[]; batchSize: number },
): Promise<void> {
  let consumer = consumerOf(rig, log, batchSize)
  for (const [nth, record] of records.entries()) {
    log.append(bytesOf(record))
    const { steps, restart } = plan[nth % plan.length]!
    for (let step = 0; step < steps; step++) await consumer.step()
    if (!restart) continue
    await rig.restart()
    consumer = consumerOf(rig, log, batchSize)
  }
  await consumer.drain()
}

function consumerOf({ store, engine }: Rig, log: MemoryLog, batchSize: number): Consumer {
  const [logRetention, changesRetention] = [0, 1_000_000]
  return new Consumer({
    store,
    engine,
    log,
    sinks: [],
    batchSize,
    logRetention,
    changesRetention,
    journalRetention: 1_000_000,
    relayBacklogMax: 1_000_000,
  })
}

function bytesOf(record: OracleRecord): Bytes {
  if (record.kind === 'event') return eventBytes(record)
  return record.kind === 'erase' ? eraseBytes(record.user_id) : controlBytes(importControl(record))
}

function withImports(
  drawn: readonly OracleRecord[],
  extra: readonly { at: number; of: number }[],
): OracleRecord[] {
  const imports: OracleImport[] = drawn.filter((record) => record.kind === 'import')
  const records = [...drawn]
  for (const { at, of } of extra)
    records.splice(Math.floor((at * records.length) / 1000), 0, imports[of % imports.length]!)
  return records
}
