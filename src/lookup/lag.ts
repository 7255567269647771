// How old the oldest accepted record is that is not applied yet: samples of the log's end say when it was where.

/** Samples kept: past them the newest ones are left out, and the oldest, which says the lag, stays. */
const samplesMax = 1024

export class Lag {
  #samples: { readonly at: number; readonly end: number }[] = []
  /** Since when ingest does not work, if it does not. */
  #downSince: number | undefined

  /** Notes how things stand at `at`, ms of a clock that does not go back: ends are offsets of the log. */
  note({ at, end, applied, down }: { at: number; end: number; applied: number; down: boolean }): void {
    this.#downSince = down ? (this.#downSince ?? at) : undefined
    let done = 0
    while (done < this.#samples.length && this.#samples[done]!.end <= applied) done++
    if (done > 0) this.#samples.splice(0, done)
    const last = this.#samples.at(-1)
    if (end > applied && end !== last?.end && this.#samples.length < samplesMax)
      this.#samples.push({ at, end })
  }

  /** For how long answers have been behind what was accepted, ms: within a sample's distance. */
  behindMs(now: number): number {
    const since = Math.min(this.#samples[0]?.at ?? now, this.#downSince ?? now)
    return Math.max(0, now - since)
  }
}

/** What is read from several places, each with offsets of its own that only grow. */
export class Lags {
  #lags = new Map<string, { readonly lag: Lag; applied: number }>()

  /** Notes all places there are now; one that is not there any more, or begins anew, is forgotten as it was. */
  note(
    places: readonly { readonly name: string; readonly end: number; readonly applied: number }[],
    at: number,
  ): void {
    const before = this.#lags
    this.#lags = new Map()
    for (const { name, end, applied } of places) {
      const known = before.get(name)
      const lag = known !== undefined && known.applied <= applied ? known.lag : new Lag()
      lag.note({ at, end, applied, down: false })
      this.#lags.set(name, { lag, applied })
    }
  }

  /** As of the place that is furthest behind, ms. */
  behindMs(now: number): number {
    let most = 0
    for (const { lag } of this.#lags.values()) most = Math.max(most, lag.behindMs(now))
    return most
  }
}
