// What Prometheus is told of webhooks, by the process that delivers them; nothing while there are no subscriptions.
import { counter, type Family, gauge, histogram, type Sample } from './families.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'

type Subscription = WebhookMetrics['subscriptions'][number]

export function webhookFamilies(metrics: () => WebhookMetrics | undefined): Family[] {
  const each = (value: (subscription: Subscription) => number) => (): Sample[] | undefined =>
    metrics()?.subscriptions.map((one) => ({ labels: { webhook: one.id }, value: value(one) }))
  return [
    counter(
      'kindred_webhook_attempts_total',
      'attempts by outcome; refused: another status than 2xx; gone: 410; paused: 429, or Retry-After; unanswered: none, or not whole',
      () => {
        const now = metrics()
        if (now === undefined) return undefined
        return Object.entries(now.attempts).map(([outcome, value]) => ({ labels: { outcome }, value }))
      },
    ),
    histogram('kindred_webhook_attempt_seconds', 'how long attempts took', () => metrics()?.attempt),
    histogram('kindred_webhook_wait_seconds', 'time from queued to delivered', () => metrics()?.wait),
    gauge('kindred_webhook_attempts_in_flight', 'attempts that are under way', () => metrics()?.inFlight),
    gauge(
      'kindred_webhook_queue_deliveries',
      'deliveries of a webhook that wait or are under way',
      each(({ queued }) => queued),
    ),
    gauge(
      'kindred_webhook_queue_age_seconds',
      'for how long the oldest of them has waited',
      each(({ oldestSeconds }) => oldestSeconds),
    ),
    gauge(
      'kindred_webhook_dead_letters',
      'deliveries of a webhook that were given up, until they are replayed',
      each(({ deadLetters }) => deadLetters),
    ),
    gauge(
      'kindred_webhook_active',
      '1: what changes is delivered; 0: the webhook is switched off',
      each(({ active }) => (active ? 1 : 0)),
    ),
    gauge('kindred_webhooks_disabled', 'webhooks that switched themselves off, by why', () => {
      const now = metrics()
      if (now === undefined) return undefined
      return (['gone', 'dead_letters_full'] as const).map((reason) => ({
        labels: { reason },
        value: now.subscriptions.filter(({ disabled }) => disabled === reason).length,
      }))
    }),
    counter(
      'kindred_webhook_delivered_total',
      'deliveries that a webhook took, since it was made',
      each(({ delivered }) => delivered),
    ),
    counter(
      'kindred_webhook_skipped_total',
      'changes for a webhook that were not queued, for it was switched off',
      each(({ skipped }) => skipped),
    ),
  ]
}
