// Metric families: a name with what it means, and how its samples are read when Prometheus asks. What is not known has no
// sample, rather than a zero.
import type { Histogram } from './histogram.ts'

export type Labels = Readonly<Record<string, string>>
export type Sample = { readonly value: number; readonly labels?: Labels }
/** One value, several by label, or none. */
type Reading = number | readonly Sample[] | undefined
export type HistogramSample = { readonly histogram: Histogram; readonly labels?: Labels }

type Named = { readonly name: string; readonly help: string }
export type Family = Named &
  (
    | { readonly type: 'counter' | 'gauge'; readonly read: () => readonly Sample[] }
    | { readonly type: 'histogram'; readonly read: () => readonly HistogramSample[] }
  )

/** A sum that grows for as long as the process lives: its name ends with `_total`. */
export function counter(name: string, help: string, read: () => Reading): Family {
  return { name, help, type: 'counter', read: () => samplesOf(read()) }
}

export function gauge(name: string, help: string, read: () => Reading): Family {
  return { name, help, type: 'gauge', read: () => samplesOf(read()) }
}

export function histogram(
  name: string,
  help: string,
  read: () => Histogram | readonly HistogramSample[] | undefined,
): Family {
  return {
    name,
    help,
    type: 'histogram',
    read() {
      const found = read()
      if (found === undefined) return []
      return 'bounds' in found ? [{ histogram: found }] : found
    },
  }
}

function samplesOf(reading: Reading): readonly Sample[] {
  if (reading === undefined) return []
  return typeof reading === 'number' ? [{ value: reading }] : reading
}
