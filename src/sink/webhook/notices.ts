// What the log is told of deliveries: by webhook and event, never by user, nor by URL, which may hold a secret of the
// receiver.
import { LineLimit } from '../../metrics/line-limit.ts'
import type { Verdict } from './retry.ts'
import type { Delivery } from './store.ts'

/** Lines about failed attempts of one webhook, a minute; event ids named in a line about dead letters. */
const failureLinesPerMinute = 6
const eventIdsTold = 10

export type Warn = (message: string, fields: Readonly<Record<string, unknown>>) => void

/** Of one webhook. */
export class FailureNotices {
  readonly #lines = new LineLimit(failureLinesPerMinute)
  readonly #webhook: string
  readonly #warn: Warn

  constructor(webhook: string, warn: Warn) {
    this.#webhook = webhook
    this.#warn = warn
  }

  tell(delivery: Delivery, { error, dueAt }: Verdict & { kind: 'retry' }, now: number): void {
    const untold = this.#lines.pass(now)
    if (untold === undefined) return
    this.#warn('a webhook was not delivered, and is tried again', {
      webhook: this.#webhook,
      event_id: delivery.event_id,
      attempt: delivery.attempts + 1,
      error,
      due_at: new Date(dueAt).toISOString(),
      failures_untold: untold,
    })
  }
}

export type Buried = { readonly webhook: string; readonly event_id: string }

/** Deliveries that became dead letters, a line a webhook. */
export function tellBuried(buried: readonly Buried[], why: string, warn: Warn): void {
  const byWebhook = new Map<string, string[]>()
  for (const { webhook, event_id } of buried) {
    const known = byWebhook.get(webhook)
    if (known === undefined) byWebhook.set(webhook, [event_id])
    else known.push(event_id)
  }
  for (const [webhook, events] of byWebhook)
    warn(`webhook deliveries became dead letters: ${why}`, {
      webhook,
      dead_letters: events.length,
      event_ids: events.slice(0, eventIdsTold),
    })
}
