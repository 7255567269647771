// The part of the configuration that is about webhooks.
import { z } from 'zod'

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
/** Each webhook may have an attempt under way, whatever the others do (sink/webhook/limits.ts). */
const inFlightTotalMax = 512
const flag = z.enum(['true', 'false', '1', '0']).default('false')

export const webhookSettings = {
  webhookAllowPrivate: flag.describe('true: webhooks may go to private, loopback and link-local addresses'),
  webhookAllowHttp: flag.describe('true: webhooks may go to plain http'),
  webhookSubscriptionsMax: whole(1, inFlightTotalMax).default(32).describe('webhook subscriptions'),
  webhookQueueMax: whole(1, 10_000_000)
    .default(100_000)
    .describe('deliveries of one webhook that wait, past which they become dead letters'),
  webhookDeadLettersMax: whole(1, 10_000_000)
    .default(100_000)
    .describe('dead letters of one webhook, past which it is switched off'),
  webhookExpireHours: z.coerce
    .number()
    .min(0.001)
    .max(24 * 60)
    .default(72)
    .describe('hours after which a delivery that did not succeed becomes a dead letter'),
  webhookInFlightMax: whole(1, inFlightTotalMax).default(16).describe('attempts of one webhook at a time'),
  webhookPerSecondMax: z.coerce
    .number()
    .min(0.01)
    .max(100_000)
    .default(500)
    .describe('attempts of one webhook begun in a second'),
  webhookTimeoutMs: whole(10, 120_000).default(15_000).describe('how long one attempt may take, ms'),
  webhookRetryBaseMs: whole(1, 3_600_000)
    .default(5_000)
    .describe('the first retry comes within this, each further one within twice as long, ms'),
  webhookRetryMaxMs: whole(1, 86_400_000)
    .default(4 * 3_600_000)
    .describe('longest time to a retry, ms'),
} as const
