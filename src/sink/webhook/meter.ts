// What came of attempts, and how long they and their deliveries took: sums since the thread began.
import {
  deliverySeconds,
  type Histogram,
  newHistogram,
  observe,
  waitSeconds,
} from '../../metrics/histogram.ts'
import type { AttemptOutcome } from '../../metrics/webhook-metrics.ts'
import type { Verdict } from './retry.ts'
import type { Outcome } from './send.ts'

export class WebhookMeter {
  readonly attempts: Record<AttemptOutcome, number> = {
    delivered: 0,
    refused: 0,
    gone: 0,
    paused: 0,
    unanswered: 0,
  }
  readonly attempt: Histogram = newHistogram(deliverySeconds)
  readonly wait: Histogram = newHistogram(waitSeconds)

  /** An attempt is over, `now` ms; it began at `began`, its delivery was queued at `queuedAt`. */
  concluded(
    { outcome, verdict }: { outcome: Outcome; verdict: Verdict },
    { began, queuedAt, now }: { began: number; queuedAt: number; now: number },
  ): void {
    this.attempts[kindOf(outcome, verdict)]++
    observe(this.attempt, Math.max(0, now - began) / 1000)
    if (verdict.kind === 'delivered') observe(this.wait, Math.max(0, now - queuedAt) / 1000)
  }
}

function kindOf(outcome: Outcome, verdict: Verdict): AttemptOutcome {
  if (verdict.kind !== 'retry') return verdict.kind
  if (outcome.kind === 'failed') return 'unanswered'
  return verdict.pause || outcome.status === 429 ? 'paused' : 'refused'
}
