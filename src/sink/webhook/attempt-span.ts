// The span of one attempt: what was sent for which webhook, never where to, and what came of it.
import type { Subscription } from '../../codec/webhook-subscription.ts'
import { begin, end, SpanKind, type Spanned } from '../../tracing/tracing.ts'
import type { Outcome } from './send.ts'
import type { Delivery } from './store.ts'

export function beginAttempt({ id }: Subscription, { event_id, attempts }: Delivery): Spanned | undefined {
  return begin('kindred.webhook', {
    kind: SpanKind.CLIENT,
    attributes: {
      'http.request.method': 'POST',
      'kindred.webhook': id,
      'kindred.event_id': event_id,
      'kindred.attempt': attempts + 1,
    },
  })
}

export function endAttempt(spanned: Spanned | undefined, outcome: Outcome): void {
  if (outcome.kind === 'failed') return end(spanned, outcome.error)
  spanned?.span.setAttribute('http.response.status_code', outcome.status)
  end(spanned, outcome.status >= 400 ? `status ${outcome.status}` : undefined)
}
