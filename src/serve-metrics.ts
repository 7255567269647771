// What `serve` tells Prometheus, by role: requests and the data directory in every process, ingest where it runs.
import { statfsSync } from 'node:fs'
import type { Config } from './config.ts'
import { type Family, gauge } from './metrics/families.ts'
import { httpFamilies } from './metrics/http-families.ts'
import { HttpMeter } from './metrics/http-meter.ts'
import { type IngestSources, ingestFamilies } from './metrics/ingest-families.ts'
import { Metrics } from './metrics/registry.ts'
import { directoryFamilies, lagFamilies, type MapUse } from './metrics/store-families.ts'
import type { Counters } from './store/port.ts'
import { versionOf } from './version.ts'

export type ServeMetrics = { readonly http: HttpMeter; readonly metrics: Metrics }

export type ServeSources = {
  readonly dir: string
  readonly config: Config
  readonly role: string
  readonly store: { mapUse(): MapUse; counters(): Readonly<Counters> }
  /** How far ingest is behind. */
  behindMs(): number
  backlog(): { readonly records: number }
  /** Where ingest runs, or waits to. */
  readonly ingest?: IngestSources & {
    readonly log: { mapUse(): MapUse }
    /** Undefined while there are no webhooks. */
    webhooksMapUse(): MapUse | undefined
  }
}

export function serveMetrics(sources: ServeSources): ServeMetrics {
  const { dir, config, role, store, ingest } = sources
  const http = new HttpMeter()
  const version = versionOf()
  const families: Family[] = [
    gauge('kindred_build_info', 'always 1: the version and the role of this process are its labels', () => [
      { labels: { version, role, node: process.versions.node }, value: 1 },
    ]),
    ...httpFamilies(http),
    ...directoryFamilies({
      maps: {
        state: () => store.mapUse(),
        ...(ingest === undefined
          ? {}
          : { log: () => ingest.log.mapUse(), webhooks: () => ingest.webhooksMapUse() }),
      },
      disk() {
        const { bavail, blocks, bsize } = statfsSync(dir)
        return { available: bavail * bsize, size: blocks * bsize }
      },
      counters: () => store.counters(),
    }),
    ...lagFamilies({
      backlog: () => sources.backlog().records,
      backlogMax: config.logBacklogMax,
      behindMs: () => sources.behindMs(),
    }),
    ...(ingest === undefined ? [] : ingestFamilies(ingest)),
  ]
  return { http, metrics: new Metrics(families).withProcess() }
}
