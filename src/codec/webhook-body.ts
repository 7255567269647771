// Codec of webhook bodies: a change event → Kindred's own JSON, CloudEvents 1.0 structured, or Segment track calls.
import type { ChangeEvent } from './change-event.ts'
import type { WebhookFilter, WebhookFormat } from './webhook-subscription.ts'

/** As on Kafka (sink/kafka-messages.ts). */
const changeType = 'com.kindred.persona-change.v1'
const cloudSource = '/kindred'

/**
 * What one change becomes for a subscription: Segment knows one persona a call, so there a change is as many deliveries
 * as personas left and entered. `part` is the persona's place in exited, then entered; −1 is the whole event.
 */
export function partsOf(change: ChangeEvent, format: WebhookFormat, filter: WebhookFilter): number[] {
  if (format !== 'segment') return [-1]
  const { personas, directions, min_probability = 0 } = filter
  const named = (persona: string) => personas === undefined || personas.includes(persona)
  const wants = (direction: 'entered' | 'exited') =>
    directions === undefined || directions.includes(direction)
  const exited = change.exited.map(({ persona }) => wants('exited') && named(persona))
  const entered = change.entered.map(
    ({ persona, probability }) => wants('entered') && named(persona) && probability >= min_probability,
  )
  return [...exited, ...entered].flatMap((wanted, part) => (wanted ? [part] : []))
}

/** Id of a delivery: the event's own, or for a part of it that id and the part's place, which no filter moves. */
export function deliveryId(eventId: string, part: number): string {
  return part < 0 ? eventId : `${eventId}_${part}`
}

export type WebhookBody = { readonly contentType: string; readonly text: string }

/** `json` is the change event as the outbox has it. */
export function bodyOf(json: string, { format, part }: { format: WebhookFormat; part: number }): WebhookBody {
  switch (format) {
    case 'kindred':
      return { contentType: 'application/json', text: json }
    case 'cloudevents':
      return { contentType: 'application/cloudevents+json', text: cloudEvent(json) }
    case 'segment':
      return { contentType: 'application/json', text: segmentCall(JSON.parse(json) as ChangeEvent, part) }
  }
}

function cloudEvent(json: string): string {
  const change = JSON.parse(json) as ChangeEvent
  return JSON.stringify({
    specversion: '1.0',
    id: change.event_id,
    source: cloudSource,
    type: changeType,
    subject: change.user_id,
    time: change.occurred_at,
    datacontenttype: 'application/json',
    data: change,
  })
}

function segmentCall(change: ChangeEvent, part: number): string {
  const entering = part >= change.exited.length
  const { persona, probability } = entering
    ? change.entered[part - change.exited.length]!
    : change.exited[part]!
  return JSON.stringify({
    type: 'track',
    event: entering ? 'Audience Entered' : 'Audience Exited',
    userId: change.user_id,
    messageId: deliveryId(change.event_id, part),
    timestamp: change.occurred_at,
    properties: {
      probability,
      primary: change.primary,
      sequence: change.sequence,
      change_event_id: change.event_id,
      [persona]: entering, // what the receiver looks for: it wins over what stands beside it
      audience_key: persona,
    },
  })
}
