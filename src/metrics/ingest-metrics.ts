// What the ingest thread tells of itself once a second, as a plain object: sums since it began, and how things stand.
import type { Histogram } from './histogram.ts'
import type { TruthMeasures } from './truth-families.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'

/** Records by what became of them. */
export type RecordOutcomes = {
  readonly applied: number
  readonly duplicates: number
  /** Of erased users, from before their erasure. */
  readonly blocked: number
  readonly quarantined: number
  readonly controls: number
}

/** Personas entered and left, primaries and statuses that became others: sums over change events. */
export type ChangeSums = {
  readonly events: number
  readonly entered: number
  readonly exited: number
  readonly primary: number
  readonly status: number
}

/** How much of the memory for hot rows is used. */
export type HotUse = { readonly entries: number; readonly bytes: number; readonly bytesMax: number }

export type PartitionLag = {
  readonly topic: string
  readonly partition: number
  /** Offset of the record to apply next: those before it are on disk. */
  readonly next: number
  /** Records of the partition that are not applied and on disk, as of the latest fetch. */
  readonly records: number
  /** Age of the oldest of them; 0 without any. */
  readonly seconds: number
}

export type IngestMetrics = {
  readonly records: RecordOutcomes
  readonly changes: ChangeSums
  readonly batches: {
    /** Seconds from a batch's first record to its last. */
    readonly apply: Histogram
    /** Seconds from then until it was on disk. */
    readonly commit: Histogram
    /** Users that were re-walked by it. */
    readonly rewalks: Histogram
  }
  /** Products that were re-published. */
  readonly publications: number
  readonly drift: {
    /** Greatest ||b̂ − b||₁ / rho at which an event left a product, within the last one to two minutes. */
    readonly greatest: number
    /** `delta`: past it a product is re-published. */
    readonly limit: number
  }
  /** What is still to be done of longer work. */
  readonly queue: {
    /** Users to be decided anew under the running fit. */
    readonly sweepUsers: number
    /** Prototypes whose edges are to be read for the next prototype-set version. */
    readonly shadowPrototypes: number
    /** Erased users whose bytes are to be removed from the log. */
    readonly scrubs: number
  }
  readonly quarantined: number
  /** Rows on disk that each sink has not taken. */
  readonly sinks: readonly { readonly name: string; readonly backlog: number }[]
  /** Of topics; undefined where none are consumed. */
  readonly partitions: readonly PartitionLag[] | undefined
  readonly hot: { readonly users: HotUse; readonly products: HotUse }
  readonly thread: {
    /** Seconds that the thread was not waiting. */
    readonly busySeconds: number
    readonly heapBytes: number
  }
  /** Undefined while there are no subscriptions. */
  readonly webhooks: WebhookMetrics | undefined
  /** How right answers are on held-out labels, measured now and then; undefined without any. */
  readonly truth: TruthMeasures | undefined
}
