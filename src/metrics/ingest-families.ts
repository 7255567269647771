// What Prometheus is told of ingest, by the process that has the ingest thread; nothing until the thread has told something.
import { counter, type Family, gauge, histogram, type Labels, type Sample } from './families.ts'
import type { IngestMetrics } from './ingest-metrics.ts'
import { truthFamilies } from './truth-families.ts'
import { webhookFamilies } from './webhook-families.ts'

export type IngestSources = {
  /** What the thread told last. */
  metrics(): IngestMetrics | undefined
  /** Why nothing is ingested; undefined when all is well. */
  problem(): string | undefined
  onStandby(): boolean
}

export function ingestFamilies({ metrics, problem, onStandby }: IngestSources): Family[] {
  const one = (read: (now: IngestMetrics) => number) => () => {
    const now = metrics()
    return now === undefined ? undefined : read(now)
  }
  const several = (read: (now: IngestMetrics) => readonly Sample[]) => () => {
    const now = metrics()
    return now === undefined ? undefined : read(now)
  }
  return [
    gauge('kindred_ingest_up', '1: ingest applies what comes; 0: it waits, or something does not work', () =>
      problem() === undefined ? 1 : 0,
    ),
    gauge('kindred_ingest_standby', '1: another process ingests, and this one waits to take over', () =>
      onStandby() ? 1 : 0,
    ),
    ...flowFamilies(one, several),
    ...batchFamilies(metrics, one),
    ...queueFamilies(one, several),
    ...memoryFamilies(one, several),
    ...webhookFamilies(() => metrics()?.webhooks),
    ...truthFamilies(() => metrics()?.truth),
  ]
}

type One = (read: (now: IngestMetrics) => number) => () => number | undefined
type Several = (read: (now: IngestMetrics) => readonly Sample[]) => () => readonly Sample[] | undefined

function flowFamilies(one: One, several: Several): Family[] {
  return [
    counter(
      'kindred_ingest_records_total',
      'records by what became of them; blocked: of an erased user, from before; control: imports, erasures and the like',
      several(({ records: { applied, duplicates, blocked, quarantined, controls } }) =>
        byLabel('outcome', {
          applied,
          duplicate: duplicates,
          blocked,
          quarantined,
          control: controls,
        }),
      ),
    ),
    counter(
      'kindred_changes_total',
      'persona-change events',
      one(({ changes }) => changes.events),
    ),
    counter(
      'kindred_persona_changes_total',
      'personas entered and exited, and primaries and statuses that became others, in persona-change events',
      several(({ changes: { entered, exited, primary, status } }) =>
        byLabel('direction', { entered, exited, primary, status }),
      ),
    ),
    counter(
      'kindred_rewalks_total',
      'users whose walk was computed or repaired',
      one(({ batches }) => batches.rewalks.sum),
    ),
    counter(
      'kindred_publications_total',
      'products whose published vector was made anew, for it had moved by more than delta',
      one(({ publications }) => publications),
    ),
    gauge(
      'kindred_published_drift_ratio',
      'greatest drift (L1, as a share of rho) at which an event of the last one to two minutes left a published vector',
      one(({ drift }) => drift.greatest),
    ),
    gauge(
      'kindred_published_drift_limit_ratio',
      'drift past which a vector is published anew (KINDRED_DELTA)',
      one(({ drift }) => drift.limit),
    ),
  ]
}

function batchFamilies(metrics: () => IngestMetrics | undefined, one: One): Family[] {
  return [
    histogram('kindred_batch_apply_seconds', 'time to apply a batch', () => metrics()?.batches.apply),
    histogram(
      'kindred_batch_commit_seconds',
      'time from an applied batch to one that is on disk',
      () => metrics()?.batches.commit,
    ),
    histogram(
      'kindred_batch_rewalked_users',
      'users that one batch re-walked: what many prototypes’ purchases set off is seen here',
      () => metrics()?.batches.rewalks,
    ),
    counter(
      'kindred_ingest_busy_seconds_total',
      'seconds that the ingest thread did not wait: its rate is the share of one core that it uses',
      one(({ thread }) => thread.busySeconds),
    ),
  ]
}

function queueFamilies(one: One, several: Several): Family[] {
  return [
    gauge(
      'kindred_sweep_users',
      'users that are still to be decided anew under the running fit',
      one(({ queue }) => queue.sweepUsers),
    ),
    gauge(
      'kindred_shadow_prototypes',
      'prototypes whose edges are still to be read for the next prototype-set version',
      one(({ queue }) => queue.shadowPrototypes),
    ),
    gauge(
      'kindred_scrub_users',
      'erased users whose bytes are still to be removed from the log',
      one(({ queue }) => queue.scrubs),
    ),
    gauge(
      'kindred_sink_backlog_rows',
      'rows on disk that a sink has not taken',
      several(({ sinks }) => sinks.map(({ name, backlog }) => ({ labels: { sink: name }, value: backlog }))),
    ),
    gauge(
      'kindred_kafka_lag_records',
      'records of a partition that are not applied and on disk, as of the latest fetch; absent where no topics are consumed',
      several(({ partitions = [] }) =>
        partitions.map(({ records, ...of }) => ({ labels: partitionLabels(of), value: records })),
      ),
    ),
    gauge(
      'kindred_kafka_lag_seconds',
      'age of the oldest record of a partition that is not applied and on disk',
      several(({ partitions = [] }) =>
        partitions.map(({ seconds, ...of }) => ({ labels: partitionLabels(of), value: seconds })),
      ),
    ),
  ]
}

function memoryFamilies(one: One, several: Several): Family[] {
  const hot = (read: (use: IngestMetrics['hot']['users']) => number) =>
    several(({ hot: { users, products } }) => byLabel('of', { users: read(users), products: read(products) }))
  return [
    gauge(
      'kindred_hot_rows',
      'users and products that are kept in memory',
      hot(({ entries }) => entries),
    ),
    gauge(
      'kindred_hot_memory_used_bytes',
      'memory that they take',
      hot(({ bytes }) => bytes),
    ),
    gauge(
      'kindred_hot_memory_limit_bytes',
      'memory that they may take (KINDRED_HOT_MEMORY_MB); beyond it they are read from disk',
      hot(({ bytesMax }) => bytesMax),
    ),
    gauge(
      'kindred_ingest_heap_bytes',
      'heap of the ingest thread that is used',
      one(({ thread }) => thread.heapBytes),
    ),
  ]
}

function partitionLabels({
  topic,
  partition,
}: {
  readonly topic: string
  readonly partition: number
}): Labels {
  return { topic, partition: String(partition) }
}

/** A sample a name. */
export function byLabel(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
}
