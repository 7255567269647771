// The one registry of a process, for as long as it lives. Samples are read when they are asked for; the text is made in
// slices, so that a request that comes meanwhile waits for no more than one of them.
import { setImmediate } from 'node:timers/promises'
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import type { Family, HistogramSample, Labels } from './families.ts'

/** How long the text is worked on before others have their turn, ms. */
const sliceMs = 0.5

type TextSample = { readonly metricName?: string; readonly labels: Labels; readonly value: number }

export class Metrics {
  readonly #registry = new Registry()

  constructor(families: Iterable<Family>) {
    for (const family of families) this.#registry.registerMetric(metricOf(family))
  }

  /** Metrics of the process and of this thread by the names that are usual for Node; once a process. */
  withProcess(): this {
    collectDefaultMetrics({ register: this.#registry })
    return this
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const parts: string[] = []
    let began = performance.now()
    for (const { name } of this.#registry.getMetricsAsArray()) {
      parts.push(await this.#registry.getSingleMetricAsString(name))
      if (performance.now() - began < sliceMs) continue
      await setImmediate()
      began = performance.now()
    }
    return `${parts.join('\n\n')}\n`
  }
}

/** A family as the registry takes it: whatever has `get`. Its own kinds would have each value be set, also when nobody asks. */
function metricOf(family: Family): Metric {
  const { name, help, type } = family
  const get = async () => ({ name, help, type, aggregator: 'sum', values: valuesOf(family) })
  return { name, help, type, aggregator: 'sum', get } as unknown as Metric
}

function valuesOf(family: Family): TextSample[] {
  if (family.type === 'histogram') return family.read().flatMap((sample) => bucketsOf(family.name, sample))
  return family.read().map(({ value, labels = {} }) => ({ value, labels }))
}

/** Cumulative buckets, sum and count, as Prometheus wants them. */
function bucketsOf(
  name: string,
  { histogram: { bounds, counts, sum }, labels = {} }: HistogramSample,
): TextSample[] {
  let count = 0
  const buckets = counts.map((inBucket, i): TextSample => {
    count += inBucket
    const le = i < bounds.length ? String(bounds[i]) : '+Inf'
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
