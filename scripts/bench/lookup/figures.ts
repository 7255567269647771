// What the runs of the lookup benchmark come to: pairs of what Kindred and the bare route did at nearly the same time.
import { build, type Histogram } from 'hdr-histogram-js'
import { median } from '../shared.ts'
import type { Measured } from './processes.ts'

/** What one server did in one pair. */
export type Half = { readonly perSecond: number; readonly histogram: Histogram }
export type Pair = { readonly subject: Half; readonly bare: Half }

export function halfOf({ requests, seconds, histogram }: Measured): Half {
  return { perSecond: requests / seconds, histogram }
}

export function merged(histograms: readonly Histogram[]): Histogram {
  const all = build({ highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 })
  for (const each of histograms) all.add(each)
  return all
}

/** The latency below which this percentage of requests was answered, ms. */
export function msAt(histogram: Histogram, percentage: number): number {
  return histogram.getValueAtPercentile(percentage) / 1000
}

/** A pair, and what a second server equal to the bare one did beside it. */
export type Round = Pair & { readonly again: Half }

/** How far two equal servers came out from each other by their 99 %: |ln| of the ratio, 0 where they were equal. */
export function unrestOf({ bare, again }: Round): number {
  return Math.abs(Math.log(msAt(again.histogram, 99) / msAt(bare.histogram, 99)))
}

/**
 * The `count` rounds in which two equal servers came out most nearly equal: whatever they say of a third is told by what did
 * not look at it.
 */
export function calmest(rounds: readonly Round[], count: number): Round[] {
  return [...rounds].sort((a, b) => unrestOf(a) - unrestOf(b)).slice(0, count)
}

/** Medians over pairs: of each side, and of the ratio within a pair; and these ratios. */
export function medians(pairs: readonly Pair[], of: (half: Half) => number) {
  const ratios = pairs.map(({ subject, bare }) => of(subject) / of(bare))
  return {
    subject: median(pairs.map(({ subject }) => of(subject))),
    bare: median(pairs.map(({ bare }) => of(bare))),
    ratio: median(ratios),
    ratios,
  }
}

const percentages = [50, 75, 90, 95, 99, 99.5, 99.9, 100]

/** Histograms side by side: latencies in ms by the percentage of requests that were answered within them. */
export function histogramsOf(columns: Readonly<Record<string, readonly Histogram[]>>): string {
  const all = Object.entries(columns).map(([name, histograms]) => ({ name, histogram: merged(histograms) }))
  const cell = (value: string | number) => String(value).padStart(18)
  return [
    ['percent', ...all.map(({ name }) => name)],
    ...percentages.map((at) => [at, ...all.map(({ histogram }) => msAt(histogram, at).toFixed(3))]),
    ['requests', ...all.map(({ histogram }) => histogram.totalCount)],
  ]
    .map((row) => row.map(cell).join(''))
    .join('\n')
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
