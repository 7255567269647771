// How far the partitions of topics are ahead of what is applied and on disk: in records, and in the age of the oldest.
import { type Partition, partitionOf } from '../kafka/names.ts'
import type { PartitionLag } from '../metrics/ingest-metrics.ts'

/** Fetches of a partition that are remembered: past them the newest are left out, and the oldest, which says the age, stays. */
const fetchesMax = 1024

type Lag = {
  /** Offset behind the partition's last record, as of the latest fetch. */
  end: number
  /** Offset of the record to apply next. */
  next: number
  /** Time of the last record that is known to be applied, ms. */
  appliedAt: number | undefined
  /** Fetches that are not wholly applied: `next` lies behind their records, of which the first was made at `at`. */
  fetches: { readonly next: number; readonly at: number; readonly lastAt: number }[]
}

export class PartitionLags {
  readonly #lags = new Map<string, Lag>()

  /** A source is read from here on: what was fetched before is fetched again. */
  begin(source: string, next: number): void {
    this.#lags.set(source, { end: next, next, appliedAt: undefined, fetches: [] })
  }

  /** Records up to `next` were fetched, when the partition ended at `end`; their times in ms, none for marks alone. */
  fetched(
    source: string,
    { end, next, at, lastAt }: { end: number; next: number; at?: number; lastAt?: number },
  ): void {
    const lag = this.#lags.get(source)
    if (lag === undefined) return
    lag.end = Math.max(lag.end, end, next)
    if (at !== undefined && next > lag.next && lag.fetches.length < fetchesMax)
      lag.fetches.push({ next, at, lastAt: lastAt ?? at })
  }

  /** Records below `next` are on disk. */
  consumed(source: string, next: number): void {
    const lag = this.#lags.get(source)
    if (lag === undefined) return
    lag.next = next
    lag.end = Math.max(lag.end, next)
    let done = 0
    while (done < lag.fetches.length && lag.fetches[done]!.next <= next) done++
    if (done > 0) lag.appliedAt = lag.fetches[done - 1]!.lastAt
    lag.fetches.splice(0, done)
  }

  /** The partitions are another's now. */
  clear(): void {
    this.#lags.clear()
  }

  /** How things stand at `now`, ms since 1970. A record that is not fetched yet is no older than the last that was applied. */
  read(now: number): PartitionLag[] {
    return Array.from(this.#lags, ([source, { end, next, appliedAt, fetches }]) => {
      const { topic, partition }: Partition = partitionOf(source)!
      const records = Math.max(0, end - next)
      const since = records === 0 ? now : (fetches[0]?.at ?? appliedAt ?? now)
      return { topic, partition, next, records, seconds: Math.max(0, now - since) / 1000 }
    })
  }
}
