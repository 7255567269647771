// A small shop with two labelled users, whose other shoppers change personas as they buy; and what `serve` needs to send
// webhooks to a receiver of this machine.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { configFrom } from '../../src/config.ts'
import { openReader } from '../../src/profiler.ts'
import { succeed } from './command.ts'
import { eventOf, ndjsonOf } from './events.ts'
import type { Reply, Server } from './server.ts'

export const hookEnv = {
  KINDRED_WEBHOOK_ALLOW_PRIVATE: 'true',
  KINDRED_WEBHOOK_ALLOW_HTTP: 'true',
  KINDRED_WEBHOOK_RETRY_BASE_MS: '40',
  KINDRED_WEBHOOK_RETRY_MAX_MS: '100',
  KINDRED_WEBHOOK_TIMEOUT_MS: '500',
} as const

const goods = {
  Baker: ['flour', 'sugar', 'tin', 'whisk'],
  Gardener: ['spade', 'rake', 'hose', 'seeds'],
} as const

/** Two labelled users and what they bought, in a new data directory. */
export async function labelShop(dir: string, data: string): Promise<void> {
  const [events, prototypes] = [join(dir, 'labelled.ndjson'), join(dir, 'prototypes.ndjson')]
  const personas = Object.entries(goods)
  writeFileSync(
    events,
    ndjsonOf(
      personas.flatMap(([persona, products]) => products.map((product) => bought(`a ${persona}`, product))),
    ),
  )
  writeFileSync(
    prototypes,
    ndjsonOf(personas.map(([persona]) => ({ user_id: `a ${persona}`, personas: [persona] }))),
  )
  await succeed(['replay', events, '--data', data, '--prototypes', prototypes])
}

function bought(user: string, product: string): Record<string, unknown> {
  return eventOf({ event_id: `${user}-${product}`, user_id: user, product_id: product })
}

/** Seven purchases of each user, of what bakers and gardeners buy in turns: the primary persona changes four times. */
export function purchasesOf(users: readonly string[]): Record<string, unknown>[] {
  const [bakers, gardeners] = [goods.Baker, goods.Gardener]
  const order = [bakers[0], ...gardeners.slice(0, 2), ...bakers.slice(1, 3), ...gardeners.slice(2)]
  return order.flatMap((product) => users.map((user) => bought(user, product)))
}

/** The change events that the data directory holds, of users whose name begins so. */
export async function changesIn(data: string, users: string): Promise<ChangeEvent[]> {
  const store = openReader({ dir: data, config: configFrom({}) })
  try {
    return store
      .changes(0, 1_000_000)
      .map(({ json }) => JSON.parse(json) as ChangeEvent)
      .filter(({ user_id }) => user_id.startsWith(users))
  } finally {
    await store.close()
  }
}

/** A request with a JSON body, if any. */
export async function call(
  { url }: Pick<Server, 'url'>,
  { method, path, body }: { method: string; path: string; body?: unknown },
): Promise<Reply> {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  }
}

/** Subscribes; the new webhook with its secret. */
export async function subscribe(
  server: Pick<Server, 'url'>,
  input: Record<string, unknown>,
): Promise<{ id: string; secret: string }> {
  const { status, body } = await call(server, { method: 'POST', path: '/v1/webhooks', body: input })
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body as { id: string; secret: string }
}
