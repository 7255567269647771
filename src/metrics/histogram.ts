// Counts by bucket as a plain object: kept where nothing of Prometheus is loaded, and handed over by a thread as it is.

/** `counts` has a bucket a bound (values up to it and above the one before), and one for what is above all of them. */
export type Histogram = {
  readonly bounds: readonly number[]
  readonly counts: number[]
  sum: number
}

export function newHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 }
}

export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts } = histogram
  let bucket = 0
  while (bucket < bounds.length && value > bounds[bucket]!) bucket++
  counts[bucket]!++
  histogram.sum += value
}

/** Bounds of requests, seconds: a lookup takes some tens of microseconds, an export of an audience up to a second. */
export const requestSeconds = [
  50e-6, 100e-6, 200e-6, 300e-6, 500e-6, 750e-6, 1e-3, 1.5e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3,
  250e-3, 500e-3, 1,
] as const
/** Bounds of batches, seconds: some milliseconds, a switch of versions many seconds. */
export const batchSeconds = [
  1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 30, 60,
] as const
/** Bounds of users that one batch re-walks. */
export const rewalkUsers = [0, 10, 100, 1_000, 10_000, 100_000, 1_000_000] as const
/** Bounds of what goes to other services, seconds. */
export const deliverySeconds = [5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 30] as const
/** Bounds of how long deliveries waited, seconds: at once, or days. */
export const waitSeconds = [
  10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 5, 30, 300, 3_600, 21_600, 86_400,
] as const
