// The API over a real engine in this process: a small shop in the store of memory, control records applied as they come.
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { importOf, parseLabels } from '../../src/codec/prototypes.ts'
import { type Config, configFrom } from '../../src/config.ts'
import { Controls } from '../../src/controls.ts'
import { UsageError } from '../../src/errors.ts'
import { type AppOptions, type AppPorts, createApp } from '../../src/http/app.ts'
import { createReads } from '../../src/serve-reads.ts'
import { type Rig, withRig } from './engine-harness.ts'
import { type Bytes, batchOf, controlBytes, recordAt } from './engine-records.ts'
import { eventOf } from './events.ts'
import { type ShopLines, smallShop } from './shop-files.ts'

export const shop = smallShop({ seed: 23, shoppers: 120 })
export const clock = Date.UTC(2026, 0, 1)

export type Ports = { -readonly [name in keyof AppPorts]: AppPorts[name] }
export type Api = {
  readonly app: FastifyInstance
  readonly ports: Ports
  readonly rig: Rig
  /** Applies records behind those that were. */
  apply(records: readonly Bytes[]): { first: number; next: number }
}
export type ApiOptions = {
  readonly config?: Partial<Config>
  readonly app?: Partial<Omit<AppOptions, 'ports'>>
  /** Events beside those of the shop. */
  readonly events?: readonly Record<string, unknown>[]
  readonly shop?: ShopLines
  /** Bytes that are no events, for quarantine. */
  readonly broken?: readonly string[]
}

export async function withApi(
  { config: given = {}, app: appOptions = {}, events = [], shop: lines = shop, broken = [] }: ApiOptions,
  work: (api: Api) => Promise<void>,
): Promise<void> {
  const config = configFrom({}, given)
  await withRig({ store: 'memory', config: given }, async (rig) => {
    let end = 0
    const apply = (records: readonly Bytes[]) => {
      const first = end
      const batch = records.map((bytes, i) => recordAt(first + i, bytes))
      end += batch.length
      rig.process({ ...batchOf(batch), next: end })
      return { first, next: end }
    }
    fill(apply, { lines, events, broken })
    const ports = portsOver(rig, { config, apply })
    const app = createApp({ ports, bodyBytesMax: config.bodyBytesMax, ...appOptions })
    try {
      await work({ app, ports, rig, apply })
    } finally {
      app.server.closeAllConnections() // those that a client keeps alive are waited for otherwise
      await app.close()
    }
  })
}

function fill(
  apply: Api['apply'],
  given: { lines: ShopLines; events: readonly object[]; broken: readonly string[] },
): void {
  const json = (text: string): Bytes => ({ text, format: { kind: 'json' } })
  const { lines, events, broken } = given
  if (lines.prototypes.length > 0) {
    const set = importOf(parseLabels(lines.prototypes.join('\n'), 'prototypes'))
    apply([controlBytes({ kind: 'import', set }), controlBytes({ kind: 'switch', version: 1 })])
  }
  apply([...lines.events, ...events.map((event) => JSON.stringify(event)), ...broken].map(json))
}

function portsOver(rig: Rig, { config, apply }: { config: Config; apply: Api['apply'] }): Ports {
  const append: AppPorts['append'] = async ({ format, records }) =>
    apply(records.map((bytes) => ({ text: Buffer.from(bytes).toString('utf8'), format })))
  const now = () => clock
  const controls = new Controls({
    dir: join('nowhere', 'at all'),
    config,
    store: rig.store,
    logName: 'log',
    append: (block) => append(block),
    full: () => false,
    now,
  })
  return {
    ...createReads(rig.store, { config, hidden: (userId) => controls.erasing(userId), now }),
    erase: (userId) => controls.erase(userId),
    requeue: (id) => controls.requeue(id),
    append,
    backlog: () => ({ records: 0, full: false }),
    notReady: () => undefined,
    ingestProblem: () => undefined,
    quarantined: (from, limit) => rig.store.quarantinedRecords(from, limit),
    behindMs: () => 0,
    webhooks: noWebhooks,
  }
}

/** Administration of webhooks where there are none, and none can be made. */
export const noWebhooks: NonNullable<AppPorts['webhooks']> = {
  create: () => {
    throw new UsageError('no webhooks here')
  },
  list: () => [],
  get: () => undefined,
  patch: () => undefined,
  remove: () => false,
  rotate: () => undefined,
  deadLetters: () => undefined,
  replay: () => undefined,
  test: async () => undefined,
}

/** Purchases by users and of products of these ids. */
export function eventsOf(ids: readonly string[]): Record<string, unknown>[] {
  return ids.map((id, n) => eventOf({ event_id: `odd-${n}`, user_id: id, product_id: id }))
}

/** Users of the shop by what they are answered. */
export function usersOf({ rig }: Pick<Api, 'rig'>): Record<'unknown' | 'inferred' | 'prototype', string[]> {
  const found = { unknown: [] as string[], inferred: [] as string[], prototype: [] as string[] }
  for (const user of rig.store.users()) {
    const { status, userId } = rig.store.user(user)!
    found[status].push(userId)
  }
  return found
}
