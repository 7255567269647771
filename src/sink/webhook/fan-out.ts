// Change rows → deliveries owed to each subscription, in one transaction with the cursor; erased users' are taken out.
import type { ChangeEvent } from '../../codec/change-event.ts'
import { partsOf } from '../../codec/webhook-body.ts'
import { type Disabled, matches, type Subscription } from '../../codec/webhook-subscription.ts'
import type { ChangeRow } from '../../store/port.ts'
import type { OutboxRow } from '../port.ts'
import type { WebhookLimits } from './limits.ts'
import type { Buried } from './notices.ts'
import { type Delivery, deliveryKey, type LetterReason, subscriptionOf, type WebhookStore } from './store.ts'

export type FannedOut = {
  readonly added: ReadonlyMap<string, Delivery>
  /** Keys that no longer wait: their user was erased. */
  readonly removed: readonly string[]
  /** Deliveries that went to dead letters at once, for the queue of their webhook is full. */
  readonly buried: readonly Buried[]
}

type Place = { readonly store: WebhookStore; readonly limits: WebhookLimits; readonly now: number }

/**
 * Takes rows in order, within a transaction; rows taken before a crash are passed over. A full queue sends a delivery to
 * dead letters; full dead letters switch the subscription off, so that nothing is dropped without being told.
 */
export function fanOut(rows: readonly OutboxRow[], place: Place): FannedOut {
  const { store } = place
  const next = store.next ?? 0
  const subscriptions = new Map(store.subscriptions().map((each) => [each.id, each]))
  const batch: Batch = { added: new Map(), buried: new Map() }
  const news = rows.filter(({ number }) => number >= next)
  // what is there already came before all of these: it is read through once, however many were erased
  const erased = new Set(news.flatMap((row) => ('json' in row ? [] : [row.userId as string])))
  const removed = store.removeUsers(erased)
  for (const row of news) {
    if ('json' in row) takeChange(row, { ...place, ...batch, subscriptions })
    else forget(row.userId, { store, ...batch })
  }
  const end = rows.at(-1)
  if (end !== undefined) store.next = Math.max(next, end.number + 1)
  const buried = [...batch.buried.values()].map(({ webhook, event_id }) => ({ webhook, event_id }))
  return { added: batch.added, removed, buried }
}

type Batch = {
  /** What waits from now on, and the dead letters of full queues by their user. */
  readonly added: Map<string, Delivery>
  readonly buried: Map<string, Buried & { readonly user_id: string }>
}

/** Takes out what the rows before have added of a user. */
function forget(userId: string, { store, added, buried }: Batch & { store: WebhookStore }): void {
  for (const [key, { user_id }] of added)
    if (user_id === userId) {
      store.takeDelivery(key)
      added.delete(key)
    }
  for (const [key, { user_id }] of buried)
    if (user_id === userId) {
      store.removeLetter(key)
      buried.delete(key)
    }
}

function takeChange(
  row: ChangeRow,
  { subscriptions, added, buried, ...place }: Place & Batch & { subscriptions: Map<string, Subscription> },
): void {
  const { store, limits, now } = place
  const change = JSON.parse(row.json) as ChangeEvent
  for (const { id, active, from, filter, format } of subscriptions.values()) {
    if (row.number < from || !matches(change, filter)) continue
    const parts = partsOf(change, format, filter)
    if (!active) {
      if (parts.length > 0) store.count(id, { skipped: 1 })
      continue
    }
    for (const part of parts) {
      const { user_id, event_id } = change
      const delivery: Delivery = {
        number: row.number,
        part,
        user_id,
        event_id,
        json: row.json,
        queued_at: now,
        attempts: 0,
        due_at: now,
      }
      const key = deliveryKey(id, delivery)
      if (store.counts(id).queued < limits.queueMax) {
        store.addDelivery(key, delivery)
        added.set(key, delivery)
      } else if (bury(key, delivery, { ...place, reason: 'queue_full' }))
        buried.set(key, { webhook: id, event_id, user_id })
      else {
        store.count(id, { skipped: 1 })
        subscriptions.set(id, store.subscription(id)!)
        break
      }
    }
  }
}

/**
 * Makes a delivery a dead letter, within a transaction; where there is no room, false, and its subscription is switched
 * off.
 */
export function bury(
  key: string,
  delivery: Delivery,
  { store, limits, now, reason }: Place & { reason: LetterReason },
): boolean {
  const id = subscriptionOf(key)
  if (store.counts(id).dead_letters < limits.deadLettersMax) {
    store.addLetter(key, { ...delivery, reason, died_at: now })
    return true
  }
  disable(id, { store, now, reason: 'dead_letters_full' })
  return false
}

/** Switches a subscription off, within a transaction; what waits stays until it is switched on, or expires. */
export function disable(
  id: string,
  { store, now, reason }: { store: WebhookStore; now: number; reason: Disabled['reason'] },
): void {
  const subscription = store.subscription(id)
  if (subscription === undefined || !subscription.active) return
  const disabled = { reason, at: new Date(now).toISOString() }
  store.putSubscription({ ...subscription, active: false, disabled })
}
