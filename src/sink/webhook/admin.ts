// What can be done to webhooks: subscriptions made, changed, rotated and removed, dead letters read and put back, and one
// delivery tried. Each edit is a transaction of the webhooks' environment, from whichever process; who delivers sees it.
import { randomUUID } from 'node:crypto'
import { bodyOf, deliveryId } from '../../codec/webhook-body.ts'
import { newSecret, signedHeaders } from '../../codec/webhook-signature.ts'
import {
  resumesOf,
  type Subscription,
  segmentCan,
  signingSecrets,
  viewOf,
  type WebhookInput,
  type WebhookPatch,
  type WebhookRotation,
  type WebhookSecret,
  type WebhookView,
} from '../../codec/webhook-subscription.ts'
import { TransientError, UsageError } from '../../errors.ts'
import { type AddressPolicy, urlProblem } from './address.ts'
import { lettersPageMax, rowsPerTransaction, secretsMax, testsMax, type WebhookLimits } from './limits.ts'
import type { Outcome, Sender } from './send.ts'
import { type Letter, subscriptionOf, type WebhookStore } from './store.ts'

export type WebhookAdminOptions = {
  /** Opened when it is first needed: a service without webhooks has none. */
  readonly store: () => WebhookStore
  readonly policy: AddressPolicy
  readonly limits: Pick<WebhookLimits, 'subscriptionsMax' | 'queueMax'>
  /** Number of the next change row: what is there before a subscription is not for it. */
  readonly changes: () => number
  readonly now: () => number
  readonly sender: () => Sender
}

/** A dead letter as it is shown. */
export type LetterView = {
  readonly cursor: string
  readonly webhook_id: string
  readonly event_id: string
  readonly user_id: string
  readonly reason: Letter['reason']
  readonly attempts: number
  readonly error: string | null
  readonly queued_at: string
  readonly died_at: string
}
export type Page = { readonly after?: string | undefined; readonly limit?: number | undefined }
export type Replayed = { readonly replayed: number; readonly left: number }
export type Tried = {
  readonly delivered: boolean
  readonly status: number | null
  readonly error: string | null
}

export class WebhookAdmin {
  readonly #options: WebhookAdminOptions
  #tests = 0

  constructor(options: WebhookAdminOptions) {
    this.#options = options
  }

  /** The new subscription with its secret, which is never shown again. Throws UsageError saying what is wrong. */
  create({ url, secret, filter, format, active }: WebhookInput): { webhook: WebhookView; secret: string } {
    this.#checkUrl(url)
    const { changes, now } = this.#options
    const { subscriptionsMax } = this.#options.limits
    const store = this.#store()
    const value = secret ?? newSecret()
    const from = changes()
    const subscription: Subscription = {
      id: `wh_${randomUUID().replaceAll('-', '')}`,
      url,
      filter,
      format,
      active,
      secrets: [{ value }],
      created_at: new Date(now()).toISOString(),
      from,
      replays: 0,
    }
    store.transact(() => {
      if (store.subscriptions().length >= subscriptionsMax)
        throw new UsageError(
          `there are ${subscriptionsMax} webhooks, and no more are taken: remove one, or raise KINDRED_WEBHOOK_SUBSCRIPTIONS_MAX`,
        )
      store.putSubscription(subscription)
    })
    return { webhook: this.#view(subscription), secret: value }
  }

  list(): WebhookView[] {
    return this.#store()
      .subscriptions()
      .map((subscription) => this.#view(subscription))
  }

  get(id: string): WebhookView | undefined {
    const subscription = this.#store().subscription(id)
    return subscription && this.#view(subscription)
  }

  patch(id: string, patch: WebhookPatch): WebhookView | undefined {
    if (patch.url !== undefined) this.#checkUrl(patch.url)
    return this.#edit(id, ({ disabled, paused_until, ...before }) => {
      const resumed = patch.active === true || (patch.url !== undefined && patch.url !== before.url)
      const after: Subscription = {
        ...before,
        ...(resumed
          ? { resumes: resumesOf(before) + 1 }
          : paused_until === undefined
            ? {}
            : { paused_until }),
        url: patch.url ?? before.url,
        filter: patch.filter ?? before.filter,
        active: patch.active ?? before.active,
        ...(patch.active === true || disabled === undefined ? {} : { disabled }),
      }
      if (!segmentCan(after))
        throw new UsageError('format segment tells of entering and exiting alone: leave primary out')
      return after
    })
  }

  /** False when there is none. */
  remove(id: string): boolean {
    const store = this.#store()
    return store.transact(() => {
      if (store.subscription(id) === undefined) return false
      store.removeSubscription(id)
      return true
    })
  }

  /** A new secret; the ones before sign beside it for as long as the receiver needs to take it up. */
  rotate(
    id: string,
    { secret, grace_hours }: WebhookRotation,
  ): { webhook: WebhookView; secret: string } | undefined {
    const now = this.#options.now()
    const value = secret ?? newSecret()
    const webhook = this.#edit(id, (before) => {
      const until = now + grace_hours * 3_600_000
      const kept = before.secrets
        .filter((one) => one.value !== value)
        .map((one): WebhookSecret => ({ value: one.value, until: Math.min(one.until ?? until, until) }))
        .filter((one) => one.until! > now)
      return { ...before, secrets: [{ value }, ...kept].slice(0, secretsMax) }
    })
    return webhook && { webhook, secret: value }
  }

  deadLetters(id: string, { after, limit = 100 }: Page): LetterView[] | undefined {
    const store = this.#store()
    if (store.subscription(id) === undefined) return undefined
    return store
      .letters(id, {
        after: after === undefined ? undefined : `${id}/${after}`,
        limit: Math.min(limit, lettersPageMax),
      })
      .map((letter) => letterView(letter))
  }

  /** Puts the oldest dead letters back into the queue, as far as it has room. */
  replay(id: string, { limit = rowsPerTransaction }: { limit?: number | undefined }): Replayed | undefined {
    const store = this.#store()
    const now = this.#options.now()
    return store.transact(() => {
      const subscription = store.subscription(id)
      if (subscription === undefined) return undefined
      const room = this.#options.limits.queueMax - store.counts(id).queued
      const most = Math.max(0, Math.min(limit, rowsPerTransaction, room))
      const letters = most === 0 ? [] : store.letters(id, { after: undefined, limit: most })
      for (const { key, reason: _reason, died_at: _diedAt, error: _error, ...delivery } of letters) {
        store.removeLetter(key)
        store.addDelivery(key, { ...delivery, attempts: 0, queued_at: now, due_at: now })
      }
      if (letters.length > 0) store.putSubscription({ ...subscription, replays: subscription.replays + 1 })
      return { replayed: letters.length, left: store.counts(id).dead_letters }
    })
  }

  /** Removes what waits and what died of an erased user. */
  forget(userId: string): void {
    const store = this.#store()
    store.transact(() => store.removeUsers(new Set([userId])))
  }

  /** Sends one signed test event now, and says what came of it; the answer's body is not shown. */
  async test(id: string): Promise<Tried | undefined> {
    const subscription = this.#store().subscription(id)
    if (subscription === undefined) return undefined
    if (this.#tests >= testsMax) throw new TransientError(`${testsMax} tests are under way`)
    this.#tests++
    try {
      return triedOf(await this.#options.sender().send(this.#testAttempt(subscription)))
    } finally {
      this.#tests--
    }
  }

  #testAttempt({ url, format, secrets }: Subscription) {
    const now = this.#options.now()
    const eventId = `test_${randomUUID().replaceAll('-', '')}`
    const part = format === 'segment' ? 0 : -1
    const body = bodyOf(testEvent(eventId, now), { format, part })
    const headers = signedHeaders({
      id: deliveryId(eventId, part),
      seconds: Math.floor(now / 1000),
      body: body.text,
      secrets: signingSecrets(secrets, now),
    })
    return { url, headers, body, signal: new AbortController().signal }
  }

  #store(): WebhookStore {
    return this.#options.store().refresh()
  }

  #view(subscription: Subscription): WebhookView {
    const counts = this.#store().counts(subscription.id)
    return viewOf(subscription, { counts, now: this.#options.now() })
  }

  #edit(id: string, change: (before: Subscription) => Subscription): WebhookView | undefined {
    const store = this.#store()
    const edited = store.transact(() => {
      const before = store.subscription(id)
      if (before === undefined) return undefined
      const after = change(before)
      store.putSubscription(after)
      return after
    })
    return edited && this.#view(edited)
  }

  #checkUrl(url: string): void {
    const problem = urlProblem(url, this.#options.policy)
    if (problem !== undefined) throw new UsageError(`the URL ${problem}`)
  }
}

function letterView({
  key,
  event_id,
  part,
  user_id,
  reason,
  attempts,
  error,
  ...times
}: Letter & { key: string }): LetterView {
  const webhook_id = subscriptionOf(key)
  return {
    cursor: key.slice(webhook_id.length + 1),
    webhook_id,
    event_id: deliveryId(event_id, part),
    user_id,
    reason,
    attempts,
    error: error ?? null,
    queued_at: new Date(times.queued_at).toISOString(),
    died_at: new Date(times.died_at).toISOString(),
  }
}

function triedOf(outcome: Outcome): Tried {
  if (outcome.kind === 'failed') return { delivered: false, status: null, error: outcome.error }
  const delivered = outcome.status >= 200 && outcome.status < 300
  return { delivered, status: outcome.status, error: delivered ? null : `status ${outcome.status}` }
}

/** A change event of nobody, in the form of every other. */
function testEvent(eventId: string, now: number): string {
  const held = { persona: 'test', probability: 1 }
  return JSON.stringify({
    event_id: eventId,
    user_id: 'kindred-test',
    sequence: 1,
    occurred_at: new Date(now).toISOString(),
    cause: { event_id: eventId, source: 'test', position: 0 },
    status: 'inferred',
    entered: [held],
    exited: [],
    personas: [held],
    primary: held.persona,
    previous_primary: null,
    evidence: [],
    prototype_set_version: 0,
  })
}
