// The thread that delivers webhooks: takes rows from the ingest thread, answers once they are owed, and sends in its own time.
import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from './config.ts'
import { unreachable } from './core/assert.ts'
import { messageOf } from './errors.ts'
import type { WebhookMetrics } from './metrics/webhook-metrics.ts'
import type { OutboxRow } from './sink/port.ts'
import { Dispatcher } from './sink/webhook/dispatcher.ts'
import { flushTraces } from './tracing/tracing.ts'
import { openWebhookStore, webhookLimits, webhookSender } from './webhooks.ts'

export type WebhookThreadInput = { readonly dir: string; readonly config: Config }
export type WebhookRequest =
  | { readonly kind: 'deliver'; readonly rows: readonly OutboxRow[] }
  | { readonly kind: 'close' }
export type WebhookReply =
  /** The request longest unanswered is done. */
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }
  /** Sent every second. */
  | { readonly kind: 'metrics'; readonly metrics: WebhookMetrics }
  | { readonly kind: 'warn'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }

function reply(message: WebhookReply): void {
  parentPort!.postMessage(message)
}

/** An edit is taken up within this. */
const editsMs = 100
const metricsMs = 1000

const input = workerData as WebhookThreadInput
const store = openWebhookStore(input)
const dispatcher = new Dispatcher({
  store,
  sender: webhookSender(input.config),
  clock: {
    now: () => Date.now(),
    after(ms, work) {
      const timer = setTimeout(work, ms)
      return () => clearTimeout(timer)
    },
  },
  limits: webhookLimits(input.config),
  editsMs,
  warn: (message, fields) => reply({ kind: 'warn', message, fields }),
  fatal: (error) => reply({ kind: 'failed', message: messageOf(error) }),
})

const telling = setInterval(() => reply({ kind: 'metrics', metrics: dispatcher.metrics() }), metricsMs)

async function answer(request: WebhookRequest): Promise<void> {
  switch (request.kind) {
    case 'deliver':
      return dispatcher.deliver(request.rows)
    case 'close':
      clearInterval(telling)
      dispatcher.close()
      await store.close()
      return flushTraces()
    default:
      return unreachable(request)
  }
}

parentPort!.on('message', (request: WebhookRequest) => {
  answer(request).then(
    () => reply({ kind: 'done' }),
    (error: unknown) => reply({ kind: 'failed', message: messageOf(error) }),
  )
})
