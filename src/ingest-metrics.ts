// The metrics of the ingest thread from the parts that it runs.
import type { IngestMetrics } from './metrics/ingest-metrics.ts'
import type { Profiler } from './profiler.ts'
import { WebhookSink } from './webhook-client.ts'

export function ingestMetricsOf({ consumer, kafka, sinks }: Profiler): IngestMetrics {
  const webhooks = sinks.find((sink) => sink instanceof WebhookSink)
  return {
    ...consumer.metrics(),
    partitions: kafka?.source?.lags(Date.now()),
    thread: {
      busySeconds: performance.eventLoopUtilization().active / 1000,
      heapBytes: process.memoryUsage().heapUsed,
    },
    webhooks: webhooks?.metrics,
  }
}
