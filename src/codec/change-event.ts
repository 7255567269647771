// Codec of persona-change events: PersonaChange → the JSON that files, webhooks and SSE carry (DESIGN §3).
import { hash } from 'node:crypto'
import type { PersonaChange } from '../core/change.ts'
import type { RecordRef } from '../core/event.ts'

/** The fields of a change event, as NDJSON carries them. */
export type ChangeEvent = {
  readonly event_id: string
  readonly user_id: string
  readonly sequence: number
  readonly occurred_at: string
  readonly cause: { readonly event_id: string; readonly source: string; readonly position: number }
  readonly status: string
  readonly entered: readonly { persona: string; probability: number }[]
  readonly exited: readonly { persona: string; probability: number }[]
  readonly personas: readonly { persona: string; probability: number }[]
  readonly primary: string | null
  readonly previous_primary: string | null
  readonly evidence: readonly { product_id: string; title: string | null; share: number }[]
  readonly prototype_set_version: number
}

/** Encodes a change as one line of JSON, without the line end. */
export function encodeChange(change: PersonaChange): string {
  const event: ChangeEvent = {
    event_id: changeEventId(change.cause.ref, change.userId),
    user_id: change.userId,
    sequence: change.sequence,
    occurred_at: new Date(change.cause.ts).toISOString(),
    cause: {
      event_id: change.cause.eventId,
      source: change.cause.ref.source,
      position: change.cause.ref.offset,
    },
    status: change.status,
    entered: change.entered,
    exited: change.exited,
    personas: change.personas,
    primary: change.primary ?? null,
    previous_primary: change.previousPrimary ?? null,
    evidence: change.evidence.map(({ productId, title, share }) => ({
      product_id: productId,
      title: title ?? null,
      share,
    })),
    prototype_set_version: change.version,
  }
  return JSON.stringify(event)
}

/** A function of source, position and user alone: the same change delivered twice has the same id. */
export function changeEventId({ source, offset }: RecordRef, userId: string): string {
  return `pc_${hash('sha256', `${source}\n${offset}\n${userId}`, 'hex').slice(0, 32)}`
}
