// Sums over batches for whoever watches: what was applied, how long it took, and how far published vectors were off.
import { batchSeconds, type Histogram, newHistogram, observe, rewalkUsers } from '../metrics/histogram.ts'
import type { ChangeSums, IngestMetrics, RecordOutcomes } from '../metrics/ingest-metrics.ts'
import type { BatchCounts } from './process-batch.ts'
import type { Tally } from './tally.ts'

/** How long a greatest drift is told at the least: no scrape with a shorter interval misses it. */
const driftMs = 60_000

type Sums<Names> = { -readonly [name in keyof Names]: number }

/** One batch that was applied; times in ms. */
export type MeteredBatch = {
  readonly counts: BatchCounts
  readonly tally: Tally
  readonly rewalks: number
  readonly changes: number
  readonly applyMs: number
  readonly now: number
}

export class IngestMeter {
  readonly #records: Sums<RecordOutcomes> = {
    applied: 0,
    duplicates: 0,
    blocked: 0,
    quarantined: 0,
    controls: 0,
  }
  readonly #changes: Sums<ChangeSums> = { events: 0, entered: 0, exited: 0, primary: 0, status: 0 }
  readonly #apply: Histogram = newHistogram(batchSeconds)
  readonly #commit: Histogram = newHistogram(batchSeconds)
  readonly #rewalks: Histogram = newHistogram(rewalkUsers)
  #publications = 0
  /** Greatest drift since `#driftFrom`, and of the minute before. */
  #drift = 0
  #driftBefore = 0
  #driftFrom = Number.NEGATIVE_INFINITY

  applied({ counts, tally, rewalks, changes, applyMs, now }: MeteredBatch): void {
    for (const name of Object.keys(this.#records) as (keyof RecordOutcomes)[])
      this.#records[name] += counts[name]
    this.#changes.events += changes
    for (const name of ['entered', 'exited', 'primary', 'status'] as const) this.#changes[name] += tally[name]
    this.#publications += tally.publications
    observe(this.#apply, applyMs / 1000)
    observe(this.#rewalks, rewalks)
    this.#turn(now)
    this.#drift = Math.max(this.#drift, tally.drift)
  }

  /** The batch was on disk so long after it was applied. */
  committed(ms: number): void {
    observe(this.#commit, ms / 1000)
  }

  /** The sums as they are; `now`: ms of the clock that batches were told by. */
  read(now: number): Pick<IngestMetrics, 'records' | 'changes' | 'batches' | 'publications'> & {
    readonly driftGreatest: number
  } {
    this.#turn(now)
    return {
      records: this.#records,
      changes: this.#changes,
      batches: { apply: this.#apply, commit: this.#commit, rewalks: this.#rewalks },
      publications: this.#publications,
      driftGreatest: Math.max(this.#drift, this.#driftBefore),
    }
  }

  #turn(now: number): void {
    const age = now - this.#driftFrom
    if (age < driftMs) return
    this.#driftBefore = age < 2 * driftMs ? this.#drift : 0
    this.#drift = 0
    this.#driftFrom = now
  }
}
