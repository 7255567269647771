// What Prometheus is told of the data directory, in every process that reads it: each sees the same one.
import { type Family, gauge, type Sample } from './families.ts'

export type MapUse = { readonly used: number; readonly size: number }
export type DirectorySources = {
  /** Memory maps by the name of their directory; undefined for one that is not made yet. */
  readonly maps: Readonly<Record<string, () => MapUse | undefined>>
  /** Bytes of the disk that holds the directory. */
  disk(): { readonly available: number; readonly size: number }
  counters(): {
    readonly users: number
    readonly products: number
    readonly edges: number
    readonly quarantined: number
    readonly version: number
    readonly epoch: number
  }
}

export function directoryFamilies({ maps, disk, counters }: DirectorySources): Family[] {
  const ofMaps = (value: (use: MapUse) => number) => (): Sample[] =>
    Object.entries(maps).flatMap(([store, use]) => {
      const now = use()
      return now === undefined ? [] : [{ labels: { store }, value: value(now) }]
    })
  return [
    gauge(
      'kindred_store_map_used_bytes',
      'bytes of a store’s memory map that are in use: the size of its file',
      ofMaps(({ used }) => used),
    ),
    gauge(
      'kindred_store_map_size_bytes',
      'size of a store’s memory map (KINDRED_MAP_SIZE_GB): writing ends where it is full',
      ofMaps(({ size }) => size),
    ),
    gauge(
      'kindred_disk_available_bytes',
      'bytes that are free on the disk of the data directory',
      () => disk().available,
    ),
    gauge('kindred_disk_size_bytes', 'size of the disk of the data directory', () => disk().size),
    gauge('kindred_users', 'known users', () => counters().users),
    gauge('kindred_products', 'known products', () => counters().products),
    gauge('kindred_edges', 'live edges between users and products', () => counters().edges),
    gauge('kindred_quarantined_records', 'records in quarantine now', () => counters().quarantined),
    gauge(
      'kindred_prototype_set_version',
      'active prototype-set version, 0 before the first',
      () => counters().version,
    ),
    gauge(
      'kindred_calibration_epoch',
      'number of the fit that users are answered by, 0 before the first',
      () => counters().epoch,
    ),
  ]
}

export type LagSources = {
  readonly backlog: () => number
  readonly backlogMax: number
  behindMs(): number
}

export function lagFamilies({ backlog, backlogMax, behindMs }: LagSources): Family[] {
  return [
    gauge('kindred_log_backlog_records', 'records of the embedded log that wait to be applied', () =>
      backlog(),
    ),
    gauge(
      'kindred_log_backlog_limit_records',
      'waiting records past which events are refused (KINDRED_LOG_BACKLOG_MAX)',
      () => backlogMax,
    ),
    gauge(
      'kindred_behind_seconds',
      'age of the oldest accepted record that is not applied, or for how long ingest has been down',
      () => behindMs() / 1000,
    ),
  ]
}
