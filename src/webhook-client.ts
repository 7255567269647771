// The sink for webhooks as the ingest thread sees it: rows go to a thread of their own. While nobody has subscribed there is
// no thread, and nothing is kept for it.
import { Worker } from 'node:worker_threads'
import type { Subscription } from './codec/webhook-subscription.ts'
import type { Config } from './config.ts'
import { unreachable } from './core/assert.ts'
import { FatalError, messageOf } from './errors.ts'
import type { WebhookMetrics } from './metrics/webhook-metrics.ts'
import type { OutboxRow, Sink } from './sink/port.ts'
import { hasWebhooks, type WebhookStore } from './sink/webhook/store.ts'
import type { WebhookReply, WebhookRequest, WebhookThreadInput } from './webhook-thread.ts'
import { openWebhookStore } from './webhooks.ts'

export const webhookSinkName = 'webhooks'

/** While there is a backlog, fewer and larger transactions. */
const lingerMs = 50

export type WebhookSinkOptions = {
  readonly dir: string
  readonly config: Config
  /** Number of the next change row. */
  readonly changes: number
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

type Pending = { resolve(): void; reject(error: unknown): void }

/** The sink, which takes erasures too; `idle` until there is a subscription. */
export class WebhookSink implements Sink {
  readonly name = webhookSinkName
  readonly takesErasures = true
  readonly lingerMs = lingerMs
  readonly #options: WebhookSinkOptions
  #store: WebhookStore | undefined
  readonly #pending: Pending[] = []
  #next: number
  #worker: Worker | undefined
  #failure: FatalError | undefined
  #metrics: WebhookMetrics | undefined

  constructor(options: WebhookSinkOptions) {
    this.#options = options
    const { changes } = options
    this.#next = changes
    const subscriptions = this.#subscriptions()
    if (subscriptions.length === 0) return
    const first = Math.min(...subscriptions.map(({ from }) => from))
    this.#next = Math.min(changes, Math.max(this.#store?.next ?? 0, first))
    this.#worker = this.#start()
  }

  get next(): number {
    return this.#next
  }

  get idle(): boolean {
    return this.#worker === undefined
  }

  /** What the thread told last; undefined while there is none. */
  get metrics(): WebhookMetrics | undefined {
    return this.#metrics
  }

  async deliver(rows: readonly OutboxRow[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#worker === undefined && this.#subscriptions().length > 0) this.#worker = this.#start()
    if (this.#worker !== undefined) await this.#call({ kind: 'deliver', rows })
    this.#next = rows.at(-1)!.number + 1
  }

  async close(): Promise<void> {
    if (this.#worker !== undefined && this.#failure === undefined)
      await this.#call({ kind: 'close' }).catch(() => undefined) // what it had not written is sent again
    await this.#worker?.terminate()
    await this.#store?.close()
  }

  /** The subscriptions by now; who makes the first one makes the environment. */
  #subscriptions(): readonly Subscription[] {
    const { dir, config } = this.#options
    if (this.#store === undefined && hasWebhooks(dir)) this.#store = openWebhookStore({ dir, config })
    return this.#store?.refresh().subscriptions() ?? []
  }

  #start(): Worker {
    const { dir, config } = this.#options
    const input: WebhookThreadInput = { dir, config }
    const worker = new Worker(new URL('./webhook-thread.js', import.meta.url), { workerData: input })
    worker.on('message', (reply: WebhookReply) => this.#hear(reply))
    worker.once('error', (error) => this.#fail(error))
    worker.once('exit', () => this.#fail(new FatalError('the thread that sends webhooks has ended')))
    return worker
  }

  #call(request: WebhookRequest): Promise<void> {
    this.#worker!.postMessage(request)
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }))
  }

  #hear(reply: WebhookReply): void {
    switch (reply.kind) {
      case 'done':
        return this.#pending.shift()?.resolve()
      case 'failed':
        return this.#fail(new FatalError(reply.message))
      case 'metrics':
        this.#metrics = reply.metrics
        return
      case 'warn':
        return this.#options.warn(reply.message, reply.fields)
      default:
        unreachable(reply)
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof FatalError ? error : new FatalError(messageOf(error), { cause: error })
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure)
  }
}
