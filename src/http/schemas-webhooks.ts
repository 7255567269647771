// Schemas of webhooks: what the codec of subscriptions takes and shows, by the names that the document has for it; dead
// letters; and the bodies that receivers are sent.
import { z } from 'zod'
import { webhookInput, webhookPatch, webhookRotation, webhookView } from '../codec/webhook-subscription.ts'
import { changeEvent, named, taken, whole } from './schemas.ts'

/** Dead letters of one page, or put back by one request. */
export const lettersPageMax = 1000
const lettersPageDefault = 100

taken.add(webhookInput, {
  id: 'WebhookInput',
  description: 'format segment tells of entering and exiting alone: its directions leave primary out.',
})
taken.add(webhookPatch, { id: 'WebhookPatch' })
taken.add(webhookRotation, { id: 'WebhookRotation' })
named.add(webhookView, { id: 'Webhook', description: 'A subscription to changes, and how it stands.' })

export { webhookInput, webhookPatch, webhookRotation, webhookView }

/** Of any text: what is no id of a webhook is one that there is not. */
export const webhookId = z.object({ id: z.string().describe('of the webhook, as the list has it') })

export const webhookMade = z.object({
  ...webhookView.shape,
  secret: z.string().describe('shown here, and never again'),
})
named.add(webhookMade, { id: 'WebhookWithSecret' })

export const webhookList = z.object({ webhooks: z.array(webhookView) })
named.add(webhookList, { id: 'WebhookList' })

const cursor = z.string().regex(/^\d{16}\/\d{4}$/, 'is the cursor of a dead letter')
export const letterQuery = z.strictObject({
  after: cursor.optional().describe('`next` of the page before'),
  limit: whole(1, lettersPageMax)
    .default(lettersPageDefault)
    .describe('dead letters of the page at the most'),
})

export const letterPage = z.object({
  dead_letters: z
    .array(
      z.object({
        cursor,
        webhook_id: z.string(),
        event_id: z.string().describe('webhook-id of the delivery'),
        user_id: z.string(),
        reason: z.enum(['expired', 'queue_full']),
        attempts: z.number().int().min(0),
        error: z.string().nullable(),
        queued_at: z.iso.datetime(),
        died_at: z.iso.datetime(),
      }),
    )
    .describe('oldest first'),
  next: cursor.nullable().describe('hand it in as `after` for the next page; null where there is none'),
})
named.add(letterPage, { id: 'DeadLetterPage' })

export const replayInput = z.strictObject({
  limit: z.number().int().min(1).max(lettersPageMax).default(lettersPageMax),
})
taken.add(replayInput, { id: 'DeadLetterReplay' })

export const replayed = z.object({
  replayed: z.number().int().min(0),
  left: z.number().int().min(0).describe('dead letters that stay: the queue has no more room, or `limit`'),
})
named.add(replayed, { id: 'DeadLettersReplayed' })

export const tried = z.object({
  delivered: z.boolean(),
  status: z.number().int().nullable().describe('what the receiver answered; null where it did not'),
  error: z.string().nullable(),
})
named.add(tried, { id: 'WebhookTried' })

/** What receivers are sent, by media type and format (codec/webhook-body.ts writes them). */
export const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.string(),
  subject: z.string().describe('the user id'),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  data: changeEvent,
})
named.add(cloudEvent, {
  id: 'PersonaChangeCloudEvent',
  description: 'A change as CloudEvents 1.0, structured: format cloudevents.',
})

export const segmentCall = z.object({
  type: z.literal('track'),
  event: z.enum(['Audience Entered', 'Audience Exited']),
  userId: z.string(),
  messageId: z.string(),
  timestamp: z.iso.datetime(),
  properties: z.looseObject({
    audience_key: z.string().describe('the persona; a property of its name says whether it was entered'),
    probability: z.unknown(),
    primary: z.unknown(),
    sequence: z.unknown(),
    change_event_id: z.unknown(),
  }),
})
named.add(segmentCall, {
  id: 'PersonaChangeSegment',
  description: 'One persona of a change as a track call of Segment: format segment.',
})
