// What follows from an attempt: a pure function of its outcome, the delivery, the limits and the time.
import { rngFor } from '../../core/rng.ts'
import { retryAfterMsMax, type WebhookLimits } from './limits.ts'
import type { Outcome } from './send.ts'
import type { Delivery } from './store.ts'

export type Verdict =
  | { readonly kind: 'delivered' }
  /** `pause`: the receiver asked that nothing comes before then. */
  | { readonly kind: 'retry'; readonly dueAt: number; readonly error: string; readonly pause: boolean }
  /** The receiver wants no more (410): the subscription is switched off, the delivery stays. */
  | { readonly kind: 'gone'; readonly dueAt: number; readonly error: string }

const jitterSteps = 2 ** 20

export function verdictOf(
  outcome: Outcome,
  {
    key,
    delivery,
    overtaken,
    limits,
    seed,
    now,
  }: {
    key: string
    delivery: Delivery
    /** The subscription was resumed during the attempt: what its receiver asks for counts no more. */
    overtaken: boolean
    limits: WebhookLimits
    seed: number
    now: number
  },
): Verdict {
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300)
    return { kind: 'delivered' }
  const error = outcome.kind === 'failed' ? outcome.error : `status ${outcome.status}`
  if (overtaken) return { kind: 'retry', dueAt: delivery.queued_at, error, pause: false }
  const backOff = now + backOffMs({ key, attempt: delivery.attempts, limits, seed })
  if (outcome.kind === 'answered' && outcome.status === 410) return { kind: 'gone', dueAt: backOff, error }
  const asked = outcome.kind === 'answered' ? askedFor(outcome, now) : undefined
  return { kind: 'retry', dueAt: asked ?? backOff, error, pause: asked !== undefined }
}

/** Exponential back-off with full jitter: even in [0, base · 2^attempt), up to a longest. */
export function backOffMs({
  key,
  attempt,
  limits: { retryBaseMs, retryMaxMs },
  seed,
}: {
  key: string
  attempt: number
  limits: Pick<WebhookLimits, 'retryBaseMs' | 'retryMaxMs'>
  seed: number
}): number {
  const longest = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(attempt, 40))
  const jitter = rngFor({ seed, text: key, position: attempt }).below(jitterSteps) / jitterSteps
  return Math.floor(longest * jitter)
}

/** Until when 429 or 503 asks to be left alone (Retry-After: seconds, or a date), within bounds. */
function askedFor(
  { status, retryAfter }: { status: number; retryAfter: string | undefined },
  now: number,
): number | undefined {
  if ((status !== 429 && status !== 503) || retryAfter === undefined) return undefined
  const text = retryAfter.trim()
  const until = /^\d{1,12}$/.test(text) ? now + Number(text) * 1000 : dateOf(text)
  // at once, or a time that has passed, is nothing that was asked for: else one delivery would go round and round
  if (!(until > now)) return undefined
  return Math.min(until, now + retryAfterMsMax)
}

/** An HTTP date (RFC 9110 §5.6.7), ms since 1970; NaN for other text, of which Date.parse would make a time as well. */
function dateOf(text: string): number {
  return /^[A-Z][a-z]{2,8}, .*GMT$|^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d /.test(text)
    ? Date.parse(text)
    : Number.NaN
}
