// The metrics of the ingest thread from the parts that it runs.
import { truthMeter } from './evaluation/truth-meter.ts'
import type { IngestMetrics } from './metrics/ingest-metrics.ts'
import type { Profiler } from './profiler.ts'
import { WebhookSink } from './webhook-client.ts'

/**
 * What reads them. The truth is measured here rather than where it is asked for: it takes a tenth of a second and more for
 * many held-out users, for which batches may wait, and lookups may not.
 */
export function ingestMetricsOf({ store, consumer, kafka, sinks }: Profiler): () => IngestMetrics {
  const truth = truthMeter(store, () => performance.now())
  const webhooks = sinks.find((sink) => sink instanceof WebhookSink)
  return () => ({
    ...consumer.metrics(),
    partitions: kafka?.source?.lags(Date.now()),
    thread: {
      busySeconds: performance.eventLoopUtilization().active / 1000,
      heapBytes: process.memoryUsage().heapUsed,
    },
    webhooks: webhooks?.metrics,
    truth: truth().quality,
  })
}
