// Codec of webhook subscriptions: what a client may ask for, what is kept, and what is shown again (never a secret).
import { z } from 'zod'
import type { ChangeEvent } from './change-event.ts'
import { secretBytesOf } from './webhook-signature.ts'

export const webhookFormats = ['kindred', 'cloudevents', 'segment'] as const
export const webhookDirections = ['entered', 'exited', 'primary'] as const
export type WebhookFormat = (typeof webhookFormats)[number]

/** Personas that one filter names, and UTF-16 units of a URL or of a persona's name. */
const filterPersonasMax = 256
const urlLengthMax = 2048
const nameLengthMax = 256
/** Characters of a secret: 64 bytes in base64, and the prefix. */
const secretLengthMax = 94
/** Hours for which a secret that was rotated still signs. */
const graceHoursMax = 24 * 30
const graceHoursDefault = 24

const url = z
  .string()
  .max(urlLengthMax)
  .refine((text) => URL.canParse(text), 'is not a URL')
  .describe('where to POST to: https to a public address, unless the configuration allows others')
const secret = z
  .string()
  .max(secretLengthMax)
  .refine((text) => secretBytesOf(text) !== undefined, 'is whsec_ and 24 to 64 bytes in base64')
  .describe('whsec_ and 24 to 64 bytes in base64; made where none is given')

export const webhookFilter = z.strictObject({
  personas: z.array(z.string().min(1).max(nameLengthMax)).min(1).max(filterPersonasMax).optional(),
  directions: z.array(z.enum(webhookDirections)).min(1).max(webhookDirections.length).optional(),
  min_probability: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('least probability that a persona is entered with; exits pass'),
})
export type WebhookFilter = z.infer<typeof webhookFilter>

/** Body of POST /v1/webhooks. A secret is made where none is given. */
export const webhookInput = z
  .strictObject({
    url,
    secret: secret.optional(),
    filter: webhookFilter.default({}),
    format: z.enum(webhookFormats).default('kindred'),
    active: z.boolean().default(true),
  })
  .refine((input) => segmentCan(input), {
    path: ['filter', 'directions'],
    message: 'format segment tells of entering and exiting alone: leave primary out',
  })
export type WebhookInput = z.infer<typeof webhookInput>

/** Body of PATCH /v1/webhooks/:id. The format stays: what waits was queued for it. */
export const webhookPatch = z.strictObject({
  url: url.optional(),
  filter: webhookFilter.optional(),
  active: z.boolean().optional(),
})
export type WebhookPatch = z.infer<typeof webhookPatch>

/** Body of POST /v1/webhooks/:id/rotate. */
export const webhookRotation = z.strictObject({
  secret: secret.optional(),
  grace_hours: z.number().min(0).max(graceHoursMax).default(graceHoursDefault),
})
export type WebhookRotation = z.infer<typeof webhookRotation>

/** A secret signs until `until`, ms since 1970; without one, for good. The newest stands first. */
export type WebhookSecret = { readonly value: string; readonly until?: number }

/** Why a subscription was switched off by itself. */
const disabled = z.object({ reason: z.enum(['gone', 'dead_letters_full']), at: z.iso.datetime() })
export type Disabled = Readonly<z.infer<typeof disabled>>

/** A subscription as it is kept. */
export type Subscription = {
  readonly id: string
  readonly url: string
  readonly filter: WebhookFilter
  readonly format: WebhookFormat
  readonly active: boolean
  readonly disabled?: Disabled
  readonly secrets: readonly WebhookSecret[]
  readonly created_at: string
  /** Change rows below this number were there before it, and are not for it. */
  readonly from: number
  /** How often dead letters were put back into its queue. */
  readonly replays: number
  /** How often it was resumed: given another URL, or switched on. What was put off before is due at once. */
  readonly resumes?: number
  /** Until when its receiver asks to be left alone, ms since 1970. */
  readonly paused_until?: number
}

/** How often a subscription was resumed, or had been when a delivery was put off. */
export function resumesOf({ resumes = 0 }: { readonly resumes?: number }): number {
  return resumes
}

const count = z.number().int().min(0)
const counts = z.object({
  queued: count,
  dead_letters: count,
  delivered: count,
  skipped: count.describe('changes for it that were not queued, because it was switched off'),
})
/** How a subscription stands, in deliveries. */
export type WebhookCounts = Readonly<z.infer<typeof counts>>
export const noCounts: WebhookCounts = { queued: 0, dead_letters: 0, delivered: 0, skipped: 0 }

/** A subscription as it is shown. */
export const webhookView = z.object({
  id: z.string(),
  url: z.string(),
  filter: webhookFilter,
  format: z.enum(webhookFormats),
  active: z.boolean(),
  disabled: disabled.optional().describe('why it was switched off by itself'),
  created_at: z.iso.datetime(),
  secrets: z.number().int().min(1).describe('how many sign now'),
  ...counts.shape,
})
export type WebhookView = Readonly<z.infer<typeof webhookView>>

export function viewOf(
  {
    secrets,
    from: _from,
    replays: _replays,
    resumes: _resumes,
    paused_until: _pausedUntil,
    ...shown
  }: Subscription,
  { counts, now }: { counts: WebhookCounts; now: number },
): WebhookView {
  return { ...shown, secrets: signingSecrets(secrets, now).length, ...counts }
}

/** The secrets that sign now, the newest first. */
export function signingSecrets(secrets: readonly WebhookSecret[], now: number): string[] {
  return secrets.filter(({ until }) => until === undefined || until > now).map(({ value }) => value)
}

/** Whether a primary can be told of: Segment has no event for it. */
export function segmentCan({
  format,
  filter: { directions },
}: {
  format: WebhookFormat
  filter: WebhookFilter
}): boolean {
  return format !== 'segment' || directions?.includes('primary') !== true
}

/**
 * Whether a change is for the subscription. Without a filter every change is. `min_probability` asks for what a persona
 * is held with: whoever leaves has less by then, so exits pass.
 */
export function matches(
  change: ChangeEvent,
  { personas, directions, min_probability = 0 }: WebhookFilter,
): boolean {
  if (personas === undefined && directions === undefined && min_probability === 0) return true
  const wanted = new Set<string>(directions ?? webhookDirections)
  const named = (persona: string | null) =>
    persona !== null && (personas === undefined || personas.includes(persona))
  const likely = ({ persona, probability }: { persona: string; probability: number }) =>
    named(persona) && probability >= min_probability
  if (wanted.has('entered') && change.entered.some(likely)) return true
  if (wanted.has('exited') && change.exited.some(({ persona }) => named(persona))) return true
  if (!wanted.has('primary') || change.primary === change.previous_primary) return false
  const { primary } = change
  return (
    change.personas.some((held) => held.persona === primary && likely(held)) || named(change.previous_primary)
  )
}
