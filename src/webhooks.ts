// Webhooks by the configuration: what the thread that delivers, the API and the commands are made of.
import type { Config } from './config.ts'
import { WebhookAdmin } from './sink/webhook/admin.ts'
import type { WebhookLimits } from './sink/webhook/limits.ts'
import { createSender, type Sender } from './sink/webhook/send.ts'
import { hasWebhooks, WebhookStore } from './sink/webhook/store.ts'

/** Address space of the environment: a queue and dead letters of a few kilobytes a delivery at the most. */
const mapSizeGbMax = 16

export type WebhookPlace = { readonly dir: string; readonly config: Config }

export function openWebhookStore({ dir, config }: WebhookPlace): WebhookStore {
  const mapSizeBytes = Math.floor(Math.min(config.mapSizeGb, mapSizeGbMax) * 1024) * 2 ** 20
  return new WebhookStore({ dir, mapSizeBytes })
}

export function webhookLimits(config: Config): WebhookLimits {
  return {
    subscriptionsMax: config.webhookSubscriptionsMax,
    queueMax: config.webhookQueueMax,
    deadLettersMax: config.webhookDeadLettersMax,
    expireMs: config.webhookExpireHours * 3_600_000,
    inFlightMax: config.webhookInFlightMax,
    perSecondMax: config.webhookPerSecondMax,
    retryBaseMs: config.webhookRetryBaseMs,
    retryMaxMs: config.webhookRetryMaxMs,
  }
}

function policyOf({ webhookAllowPrivate, webhookAllowHttp }: Config) {
  const isOn = (flag: string) => flag === 'true' || flag === '1'
  return { allowPrivate: isOn(webhookAllowPrivate), allowHttp: isOn(webhookAllowHttp) }
}

export function webhookSender(config: Config): Sender {
  return createSender({ policy: policyOf(config), timeoutMs: config.webhookTimeoutMs })
}

export type OpenedAdmin = {
  readonly admin: WebhookAdmin
  /** Of the memory map; undefined while there is none. */
  mapUse(): { used: number; size: number } | undefined
  close(): Promise<void>
}

/** `changes`: number of the next change row of the state. */
export function openWebhookAdmin(place: WebhookPlace & { readonly changes: () => number }): OpenedAdmin {
  const { config, changes } = place
  let store: WebhookStore | undefined
  let sender: Sender | undefined
  const opened = () => {
    store ??= openWebhookStore(place)
    return store
  }
  const admin = new WebhookAdmin({
    store: opened,
    policy: policyOf(config),
    limits: webhookLimits(config),
    changes,
    now: () => Date.now(),
    sender: () => {
      sender ??= webhookSender(config)
      return sender
    },
  })
  return {
    admin,
    mapUse: () => (store !== undefined || hasWebhooks(place.dir) ? opened().mapUse() : undefined),
    async close() {
      sender?.close()
      await store?.close()
    },
  }
}
