// Change events by hand, as rows of the outbox.
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import type { OutboxRow } from '../../src/sink/port.ts'

export const limits = {
  subscriptionsMax: 8,
  queueMax: 1000,
  deadLettersMax: 1000,
  expireMs: 72 * 3_600_000,
  inFlightMax: 4,
  perSecondMax: 1000,
  retryBaseMs: 5000,
  retryMaxMs: 4 * 3_600_000,
} as const

export function changeOf(fields: Partial<ChangeEvent> = {}): ChangeEvent {
  return {
    event_id: 'pc_0',
    user_id: 'u',
    sequence: 1,
    occurred_at: '2025-01-01T00:00:00.000Z',
    cause: { event_id: 'e', source: 'log', position: 0 },
    status: 'inferred',
    entered: [{ persona: 'Baker', probability: 0.6 }],
    exited: [],
    personas: [{ persona: 'Baker', probability: 0.6 }],
    primary: 'Baker',
    previous_primary: null,
    evidence: [],
    prototype_set_version: 1,
    ...fields,
  }
}

/** Change `number` of `user`, its id and sequence made of the number. */
export function rowOf(number: number, user: string, fields: Partial<ChangeEvent> = {}): OutboxRow {
  const change = changeOf({ event_id: `pc_${number}`, user_id: user, sequence: number + 1, ...fields })
  return { number, userIndex: 0 as never, json: JSON.stringify(change) }
}
