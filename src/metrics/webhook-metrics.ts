// What the thread that delivers webhooks tells of itself, as a plain object.
import type { Histogram } from './histogram.ts'

/**
 * What came of an attempt: the receiver took it; answered another status; said 410; asked to be left alone (429, or 503
 * with Retry-After); or there was no whole answer.
 */
export const attemptOutcomes = ['delivered', 'refused', 'gone', 'paused', 'unanswered'] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

export type WebhookMetrics = {
  readonly attempts: Readonly<Record<AttemptOutcome, number>>
  /** Seconds that attempts took. */
  readonly attempt: Histogram
  /** Seconds from queued to delivered. */
  readonly wait: Histogram
  readonly inFlight: number
  readonly subscriptions: readonly {
    readonly id: string
    readonly active: boolean
    /** Why it switched itself off. */
    readonly disabled: 'gone' | 'dead_letters_full' | undefined
    readonly queued: number
    /** Age of the delivery that waits longest; 0 without any. */
    readonly oldestSeconds: number
    readonly deadLetters: number
    readonly delivered: number
    readonly skipped: number
  }[]
}
