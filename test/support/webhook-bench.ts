// A dispatcher on a store of its own, whose clock and receivers a test holds in its hand: days pass in milliseconds.
import { join } from 'node:path'
import { type WebhookInput, webhookInput } from '../../src/codec/webhook-subscription.ts'
import { WebhookAdmin } from '../../src/sink/webhook/admin.ts'
import { type Clock, Dispatcher } from '../../src/sink/webhook/dispatcher.ts'
import type { WebhookLimits } from '../../src/sink/webhook/limits.ts'
import type { Attempt, Outcome, Sender } from '../../src/sink/webhook/send.ts'
import { WebhookStore } from '../../src/sink/webhook/store.ts'
import { withDirectory } from './command.ts'
import { limits as defaults } from './webhook-changes.ts'

export const ok: Outcome = { kind: 'answered', status: 200, retryAfter: undefined }
export const broken: Outcome = { kind: 'failed', error: 'ECONNREFUSED' }
export const status = (code: number, retryAfter?: string): Outcome => ({
  kind: 'answered',
  status: code,
  retryAfter,
})

export type Sent = { readonly id: string; readonly url: string; readonly at: number; readonly body: string }

/** Seldom, because days pass: an edit is taken up within it. */
export const editsMs = 60_000

/** Time that passes when it is told to; what is due on the way is done, in order. */
export class TestClock implements Clock {
  #now = Date.UTC(2026, 0, 1)
  #timers: { at: number; work: () => void }[] = []

  now(): number {
    return this.#now
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.#now + ms, work }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    await turns()
    for (;;) {
      const next = this.#timers.reduce<{ at: number; work: () => void } | undefined>(
        (first, timer) => (timer.at <= end && (first === undefined || timer.at < first.at) ? timer : first),
        undefined,
      )
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      this.#timers = this.#timers.filter((timer) => timer !== next)
      next.work()
      await turns()
    }
    this.#now = end
  }
}

/** Lets what was promised happen. */
async function turns(): Promise<void> {
  for (let n = 0; n < 8; n++) await Promise.resolve()
}

export type Bench = {
  readonly clock: TestClock
  readonly sent: Sent[]
  readonly warnings: string[]
  readonly admin: WebhookAdmin
  readonly store: WebhookStore
  readonly dispatcher: () => Dispatcher
  /** What receivers answer. */
  answer: (sent: Sent, n: number) => Outcome | Promise<Outcome>
  subscribe(input?: Partial<WebhookInput>): string
  /** What it did not write is lost, and it begins anew. */
  restart(): void
}

export async function withBench(
  work: (bench: Bench) => Promise<void>,
  more: Partial<WebhookLimits> = {},
): Promise<void> {
  await withDirectory(async (dir) => {
    const limits: WebhookLimits = { ...defaults, ...more }
    const clock = new TestClock()
    const store = new WebhookStore({ dir: join(dir), mapSizeBytes: 1 << 28 })
    const sent: Sent[] = []
    const warnings: string[] = []
    const sender: Sender = {
      async send({ url, headers, body, signal }: Attempt) {
        const one = { id: headers['webhook-id']!, url, at: clock.now(), body: body.text }
        const n = sent.push(one) - 1
        const outcome = await bench.answer(one, n)
        return signal.aborted ? { kind: 'failed', error: 'aborted' } : outcome
      },
      close: () => undefined,
    }
    let dispatcher: Dispatcher
    const begin = () => {
      dispatcher = new Dispatcher({
        store,
        sender,
        clock,
        limits,
        editsMs,
        warn: (message) => warnings.push(message),
        fatal: (error) => {
          throw error
        },
      })
    }
    const admin = new WebhookAdmin({
      store: () => store,
      policy: { allowPrivate: true, allowHttp: true },
      limits,
      changes: () => store.refresh().next ?? 0,
      now: () => clock.now(),
      sender: () => sender,
    })
    const bench: Bench = {
      clock,
      sent,
      warnings,
      admin,
      store,
      dispatcher: () => dispatcher,
      answer: () => ok,
      subscribe: (input = {}) =>
        admin.create(webhookInput.parse({ url: 'https://crm.example/hook', ...input })).webhook.id,
      restart() {
        dispatcher.close()
        begin()
      },
    }
    begin()
    try {
      await work(bench)
    } finally {
      dispatcher!.close()
      await store.close()
    }
  })
}
