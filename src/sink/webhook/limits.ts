// Named limits of webhooks (I7). What may be configured is in `WebhookLimits` (config-webhook.ts); the rest stands here.

export type WebhookLimits = {
  readonly subscriptionsMax: number
  /** Deliveries of one subscription that wait; what comes beyond goes to dead letters. */
  readonly queueMax: number
  /** Dead letters of one subscription; beyond, it is switched off, saying so. */
  readonly deadLettersMax: number
  /** A delivery that waited so long becomes a dead letter. */
  readonly expireMs: number
  /** Attempts of one subscription at a time, and begun in a second. */
  readonly inFlightMax: number
  readonly perSecondMax: number
  /** The first wait before another attempt is up to this long, each further one up to twice as long, up to a longest. */
  readonly retryBaseMs: number
  readonly retryMaxMs: number
}

/** Attempts of all subscriptions at a time: an attempt holds a socket and a body. */
export const inFlightTotalMax = 512
/** A receiver may ask to be left alone for so long. */
export const retryAfterMsMax = 24 * 3_600_000
/** Rows that one transaction expires, purges or puts back. */
export const rowsPerTransaction = 1000
/** Secrets that sign at a time: a receiver checks each signature. */
export const secretsMax = 4
/** Dead letters on one page of a listing. */
export const lettersPageMax = 1000
/** Attempts that POST …/test makes at a time, over all subscriptions. */
export const testsMax = 4
