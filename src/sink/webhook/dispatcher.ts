// Stage webhook delivery: takes change rows from the relay into the queue of each subscription, and sends what is due:
// users beside one another, the changes of one user in order, at the pace of each receiver. What is on disk is what is owed;
// memory holds an index of it. An outcome that a crash takes back is an attempt made again, with the same id.
import { bodyOf, deliveryId } from '../../codec/webhook-body.ts'
import { signedHeaders } from '../../codec/webhook-signature.ts'
import { resumesOf, type Subscription, signingSecrets } from '../../codec/webhook-subscription.ts'
import { unreachable } from '../../core/assert.ts'
import type { WebhookMetrics } from '../../metrics/webhook-metrics.ts'
import { continuing } from '../../tracing/tracing.ts'
import type { OutboxRow } from '../port.ts'
import { beginAttempt, endAttempt } from './attempt-span.ts'
import { bury, disable, fanOut } from './fan-out.ts'
import { type Item, Lanes } from './lanes.ts'
import { inFlightTotalMax, retryAfterMsMax, rowsPerTransaction, type WebhookLimits } from './limits.ts'
import { WebhookMeter } from './meter.ts'
import { type Buried, FailureNotices, tellBuried, type Warn } from './notices.ts'
import { Pace } from './pace.ts'
import { type Verdict, verdictOf } from './retry.ts'
import type { Outcome, Sender } from './send.ts'
import { type Delivery, subscriptionOf, type WebhookStore } from './store.ts'

/** How often queues are looked through for what has expired. */
const sweepMs = 30_000
/** Outcomes wait so long for others to share their transaction. */
const settleMs = 10

export type Clock = {
  /** ms since 1970. */
  now(): number
  /** Calls `work` after so long; the function returned takes it back. */
  after(ms: number, work: () => void): () => void
}

export type DispatcherOptions = {
  readonly store: WebhookStore
  readonly sender: Sender
  readonly clock: Clock
  readonly limits: WebhookLimits
  /** How often subscriptions are looked at for what was edited. */
  readonly editsMs: number
  readonly warn: Warn
  /** What cannot go on: the disk does not take what must be kept. */
  readonly fatal: (error: unknown) => void
}

/** A receiver as memory knows it. */
type Receiver = {
  subscription: Subscription
  readonly lanes: Lanes
  readonly pace: Pace
  readonly inFlight: Map<string, AbortController>
  readonly failures: FailureNotices
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #seed: number
  readonly #receivers = new Map<string, Receiver>()
  readonly #meter = new WebhookMeter()
  #inFlight = 0
  #revision = -1
  /** Whose turn it is to be asked first, so that no receiver waits behind another for a place. */
  #turn = 0
  /** Outcomes to be written, in order. */
  #unsettled: (() => void)[] = []
  /** The one timer for what is due next, and when it goes off. */
  #due: { readonly at: number; readonly cancel: () => void } | undefined
  readonly #timers = new Map<string, () => void>()
  #closed = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#seed = options.store.seed()
    this.#reload()
    this.#every('edits', options.editsMs, () => this.#look())
    this.#every('sweep', sweepMs, () => this.#sweep())
    this.#pump()
  }

  /** Deliveries that wait or are in flight. */
  get waiting(): number {
    let waiting = 0
    for (const { lanes } of this.#receivers.values()) waiting += lanes.size
    return waiting
  }

  /** How deliveries stand and went. */
  metrics(): WebhookMetrics {
    const { attempts, attempt, wait } = this.#meter
    const store = this.#options.store.refresh()
    const now = this.#options.clock.now()
    const subscriptions = Array.from(this.#receivers, ([id, { subscription, lanes }]) => {
      const { dead_letters: deadLetters, delivered, skipped } = store.counts(id)
      return {
        id,
        active: subscription.active,
        disabled: subscription.disabled?.reason,
        queued: lanes.size,
        oldestSeconds: Math.max(0, now - (lanes.oldestQueuedAt ?? now)) / 1000,
        deadLetters,
        delivered,
        skipped,
      }
    })
    return { attempts, attempt, wait, inFlight: this.#inFlight, subscriptions }
  }

  /** Takes rows in order: when it returns they are owed, whatever happens to this process. */
  deliver(rows: readonly OutboxRow[]): void {
    const { store, limits, clock } = this.#options
    const now = clock.now()
    const outcomes = this.#takeUnsettled()
    const { added, removed, buried } = store.transact(() => {
      for (const settle of outcomes) settle()
      return fanOut(rows, { store, limits, now })
    })
    if (store.refresh().revision !== this.#revision) this.#reload() // it was edited before, or switched off within
    for (const key of removed) this.#forget(key)
    tellBuried(buried, 'their queues are full', this.#options.warn)
    for (const [key, row] of added) {
      const receiver = this.#receiverOf(key)
      receiver?.lanes.add(itemOf(key, row, receiver.subscription))
    }
    this.#pump()
  }

  /** Begins nothing more, gives up what is in flight, and writes what came of the rest. */
  close(): void {
    if (this.#closed) return
    this.#settle()
    this.#closed = true
    this.#due?.cancel()
    for (const cancel of this.#timers.values()) cancel()
    for (const { inFlight } of this.#receivers.values()) for (const one of inFlight.values()) one.abort()
    this.#options.sender.close()
  }

  #every(name: string, ms: number, work: () => void): void {
    const next = () => {
      this.#guarded(work)
      if (!this.#closed) this.#timers.set(name, this.#options.clock.after(ms, next))
    }
    this.#timers.set(name, this.#options.clock.after(ms, next))
  }

  #guarded(work: () => void): void {
    if (this.#closed) return
    try {
      work()
    } catch (error) {
      this.#options.fatal(error)
    }
  }

  /** Takes up what was edited since, by whichever process. */
  #look(): void {
    if (this.#options.store.refresh().revision === this.#revision) return
    this.#settle() // or what was delivered a moment ago would be taken up again with what was put back
    this.#reload()
    this.#pump()
  }

  #reload(): void {
    const { store, limits, warn, clock } = this.#options
    this.#revision = store.revision
    const subscriptions = new Map(store.subscriptions().map((each) => [each.id, each]))
    for (const [id, { inFlight }] of this.#receivers) {
      if (subscriptions.has(id)) continue
      for (const one of inFlight.values()) one.abort()
      this.#receivers.delete(id)
    }
    while (store.transact(() => store.purge(rowsPerTransaction)));
    for (const [id, subscription] of subscriptions) {
      const known = this.#receivers.get(id)
      const receiver = known ?? {
        subscription,
        lanes: new Lanes(),
        pace: new Pace(limits.perSecondMax),
        inFlight: new Map(),
        failures: new FailureNotices(id, warn),
      }
      this.#receivers.set(id, receiver)
      if (known === undefined)
        receiver.pace.pause(Math.min(subscription.paused_until ?? 0, clock.now() + retryAfterMsMax))
      else if (resumesOf(known.subscription) !== resumesOf(subscription)) {
        receiver.lanes.resume()
        receiver.pace.resume(clock.now())
      }
      if (known === undefined || known.subscription.replays !== subscription.replays)
        for (const row of store.queue(id)) receiver.lanes.add(itemOf(row.key, row, subscription))
      receiver.subscription = subscription
    }
  }

  #receiverOf(key: string): Receiver | undefined {
    return this.#receivers.get(subscriptionOf(key))
  }

  #forget(key: string): void {
    const receiver = this.#receiverOf(key)
    receiver?.inFlight.get(key)?.abort()
    receiver?.lanes.remove(key)
  }

  /** Begins what may begin now, and sets the timer for what may later. */
  #pump(): void {
    const { clock, limits } = this.#options
    const now = clock.now()
    const receivers = [...this.#receivers.values()]
    // receivers that stand still together must leave a place to each of the others
    const share = Math.max(1, Math.floor(inFlightTotalMax / Math.max(1, receivers.length)))
    const inFlightMax = Math.min(limits.inFlightMax, share)
    let wakeAt = Number.POSITIVE_INFINITY
    this.#turn++
    for (let n = 0; n < receivers.length; n++) {
      const receiver = receivers[(n + this.#turn) % receivers.length]!
      const { subscription, lanes, pace, inFlight } = receiver
      if (!subscription.active) continue
      while (inFlight.size < inFlightMax && this.#inFlight < inFlightTotalMax && pace.from <= now) {
        const item = lanes.take(now)
        if (item === undefined) break
        pace.begin(now)
        this.#begin(receiver, item)
      }
      const { dueAt } = lanes
      if (dueAt !== undefined && inFlight.size < inFlightMax)
        wakeAt = Math.min(wakeAt, Math.max(dueAt, pace.from))
    }
    if (this.#inFlight < inFlightTotalMax) this.#wakeAt(wakeAt)
  }

  #wakeAt(at: number): void {
    if (this.#due?.at === at) return
    this.#due?.cancel()
    this.#due = undefined
    if (at === Number.POSITIVE_INFINITY) return
    const ms = Math.min(Math.max(1, Math.ceil(at - this.#options.clock.now())), sweepMs)
    const cancel = this.#options.clock.after(ms, () => {
      this.#due = undefined
      this.#guarded(() => this.#pump())
    })
    this.#due = { at, cancel }
  }

  /** One attempt. Nothing of it is owed any more when the row has gone: erased, or its subscription removed. */
  #begin(receiver: Receiver, { key }: Item): void {
    const { store, sender, clock } = this.#options
    const owed = store.refresh().delivery(key)
    if (owed === undefined) return receiver.lanes.remove(key)
    const delivery = { ...owed, resumes: resumesOf(receiver.subscription) }
    const { url, format, secrets } = receiver.subscription
    const now = clock.now()
    const body = bodyOf(delivery.json, { format, part: delivery.part })
    const spanned = beginAttempt(receiver.subscription, delivery)
    const headers = {
      ...continuing(spanned),
      ...signedHeaders({
        id: deliveryId(delivery.event_id, delivery.part),
        seconds: Math.floor(now / 1000),
        body: body.text,
        secrets: signingSecrets(secrets, now),
      }),
    }
    const abort = new AbortController()
    receiver.inFlight.set(key, abort)
    this.#inFlight++
    const over = (outcome: Outcome) =>
      this.#guarded(() => {
        receiver.inFlight.delete(key)
        this.#inFlight--
        endAttempt(spanned, outcome)
        if (!abort.signal.aborted) this.#conclude(receiver, { key, delivery, outcome, began: now })
        this.#pump()
      })
    sender
      .send({ url, headers, body, signal: abort.signal })
      .then(over, (error: unknown) => over({ kind: 'failed', error: String(error) }))
  }

  #conclude(
    receiver: Receiver,
    { key, delivery, outcome, began }: { key: string; delivery: Delivery; outcome: Outcome; began: number },
  ): void {
    const { limits, clock } = this.#options
    const now = clock.now()
    this.#look() // what was edited meanwhile decides what an answer means
    const overtaken = resumesOf(delivery) !== resumesOf(receiver.subscription)
    const verdict = verdictOf(outcome, { key, delivery, overtaken, limits, seed: this.#seed, now })
    this.#meter.concluded({ outcome, verdict }, { began, queuedAt: delivery.queued_at, now })
    const { id } = receiver.subscription
    switch (verdict.kind) {
      case 'delivered':
        receiver.lanes.remove(key)
        break
      case 'gone':
        receiver.lanes.retry(key, verdict.dueAt)
        receiver.subscription = { ...receiver.subscription, active: false }
        this.#options.warn('webhook switched off: its receiver answered 410', {
          webhook: id,
          event_id: delivery.event_id,
        })
        break
      case 'retry':
        receiver.lanes.retry(key, verdict.dueAt)
        if (verdict.pause) receiver.pace.pause(verdict.dueAt)
        receiver.failures.tell(delivery, verdict, now)
        break
      default:
        unreachable(verdict)
    }
    this.#unsettled.push(() => this.#write(verdict, { key, delivery, now }))
    if (!this.#timers.has('settle'))
      this.#timers.set(
        'settle',
        clock.after(settleMs, () => this.#guarded(() => this.#settle())),
      )
  }

  /** Writes what came of an attempt, within a transaction. */
  #write(verdict: Verdict, { key, delivery, now }: { key: string; delivery: Delivery; now: number }): void {
    const { store } = this.#options
    const id = subscriptionOf(key)
    if (verdict.kind === 'delivered') {
      if (store.takeDelivery(key) !== undefined) store.count(id, { delivered: 1 })
      return
    }
    const { resumes = 0, attempts } = delivery
    const { dueAt, error } = verdict
    store.updateDelivery(key, { attempts: attempts + 1, due_at: dueAt, resumes, error })
    if (resumesOf(store.subscription(id) ?? {}) !== resumes) return // it was resumed a moment ago
    switch (verdict.kind) {
      case 'gone':
        return disable(id, { store, now, reason: 'gone' })
      case 'retry':
        if (verdict.pause) store.pause(id, dueAt)
        return
      default:
        unreachable(verdict)
    }
  }

  /** Makes a waiting delivery a dead letter, within a transaction, told as one of `buried`; it waits on where there is no room. */
  #expire(key: string, now: number, buried: Buried[]): void {
    const { store, limits, warn } = this.#options
    const delivery = store.delivery(key)
    const receiver = this.#receiverOf(key)
    if (delivery === undefined || receiver === undefined) return
    if (bury(key, delivery, { store, limits, now, reason: 'expired' })) {
      store.takeDelivery(key)
      receiver.lanes.remove(key)
      buried.push({ webhook: receiver.subscription.id, event_id: delivery.event_id })
    } else if (receiver.subscription.active) {
      receiver.subscription = { ...receiver.subscription, active: false }
      warn('webhook switched off: its dead letters are full', { webhook: receiver.subscription.id })
    }
  }

  #takeUnsettled(): (() => void)[] {
    const outcomes = this.#unsettled
    this.#unsettled = []
    this.#timers.get('settle')?.()
    this.#timers.delete('settle')
    return outcomes
  }

  #settle(): void {
    const { store } = this.#options
    const outcomes = this.#takeUnsettled()
    if (outcomes.length === 0) return
    store.transact(() => {
      for (const settle of outcomes) settle()
    })
  }

  /** Deliveries that waited too long become dead letters, those of switched-off subscriptions too. */
  #sweep(): void {
    const { store, limits, clock, warn } = this.#options
    const now = clock.now()
    const buried: Buried[] = []
    for (const { lanes } of this.#receivers.values()) {
      for (;;) {
        const due = lanes.queuedBefore(now - limits.expireMs, rowsPerTransaction)
        const before = lanes.size
        if (due.length > 0)
          store.transact(() => {
            for (const { key } of due) this.#expire(key, now, buried)
          })
        if (due.length < rowsPerTransaction || lanes.size === before) break
      }
    }
    tellBuried(buried, 'they expired', warn)
    this.#pump()
  }
}

function itemOf(key: string, delivery: Delivery, subscription: Subscription): Item {
  const { user_id: user, due_at, queued_at: queuedAt } = delivery
  const holds = resumesOf(delivery) === resumesOf(subscription)
  return { key, user, dueAt: holds ? due_at : Math.min(due_at, queuedAt), queuedAt }
}
