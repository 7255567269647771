// Counterexamples that property tests found, shrunk: each log, run in each way, ends with the same users.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Consumer } from '../../src/pipeline/consume.ts'
import type { OracleEvent, OracleImport, OracleStatus } from '../oracle/model.ts'
import { outcomeOf, type Rig, withRig } from '../support/engine-harness.ts'
import {
  type Bytes,
  batchOf,
  controlBytes,
  eraseBytes,
  eventBytes,
  importControl,
} from '../support/engine-records.ts'
import { type MemoryLog, memoryLog } from '../support/memory-log.ts'

type Entry =
  | { readonly event: Omit<OracleEvent, 'kind'> }
  | { readonly import: Omit<OracleImport, 'kind'> }
  | { readonly switch: number }
  | { readonly erase: string }
  /** The consumer works until nothing is left: it builds versions and appends their switches itself. */
  | { readonly drain: true }

type Golden = {
  readonly about: string
  readonly log: readonly Entry[]
  readonly runs: readonly {
    readonly store: 'memory' | 'lmdb'
    readonly batchSize: number
    /** Starts anew after every batch (of a log without `drain`) or drain. */
    readonly restart?: boolean
  }[]
  /** Status by user: all there are. */
  readonly expected: Readonly<Record<string, OracleStatus>>
}

/** JSON is not built: it is read where the sources are. */
const directory = fileURLToPath(new URL('../../../test/golden/', import.meta.url))

describe('counterexamples of before', () => {
  for (const file of readdirSync(directory).filter((name) => /^engine-.*\.json$/.test(name)))
    it(file, async () => {
      const golden = JSON.parse(readFileSync(directory + file, 'utf8')) as Golden
      const outcomes = []
      for (const run of golden.runs)
        outcomes.push(await withRig({ store: run.store }, (rig) => outcomeAfter(rig, golden.log, run)))
      for (const outcome of outcomes) {
        const statuses = [...outcome.view.users].map(([user, { status }]) => [user, status])
        assert.deepEqual(Object.fromEntries(statuses), golden.expected, golden.about)
        if (drained(golden)) continue // where the consumer's own records stand depends on when it worked
        assert.deepEqual(outcome, outcomes[0], golden.about)
      }
    })
})

function drained({ log }: Pick<Golden, 'log'>): boolean {
  return log.some((entry) => 'drain' in entry)
}

async function outcomeAfter(
  rig: Rig,
  entries: readonly Entry[],
  { batchSize, restart }: Golden['runs'][number],
): Promise<ReturnType<typeof outcomeOf>> {
  const log = memoryLog()
  let consumer = consumerOf(rig, log, batchSize)
  for (const entry of entries) {
    if (!('drain' in entry)) log.append(bytesOf(entry))
    else {
      await consumer.drain()
      if (restart) await rig.restart()
      if (restart) consumer = consumerOf(rig, log, batchSize)
    }
  }
  for (let from = 0; !drained({ log: entries }) && from < log.records.length; from += batchSize) {
    rig.process(batchOf(log.records, from, from + batchSize))
    if (restart) await rig.restart()
  }
  return outcomeOf(rig)
}

function consumerOf({ store, engine }: Rig, log: MemoryLog, batchSize: number): Consumer {
  return new Consumer({
    store,
    engine,
    log,
    sinks: [],
    batchSize,
    logRetention: 0,
    changesRetention: 1000,
    journalRetention: 1000,
    relayBacklogMax: 1_000_000,
  })
}

function bytesOf(entry: Exclude<Entry, { drain: true }>): Bytes {
  if ('event' in entry) return eventBytes({ kind: 'event', ...entry.event })
  if ('erase' in entry) return eraseBytes(entry.erase)
  if ('switch' in entry) return controlBytes({ kind: 'switch', version: entry.switch })
  return controlBytes(importControl({ kind: 'import', ...entry.import }))
}
