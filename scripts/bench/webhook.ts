// Webhooks: the time from an event being sent to a running `serve` until its change arrives as a signed webhook, at a steady
// rate of changes. Events are sent when they are due whatever the answers do, and times count from when they were due.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { ServeProcess } from '../serve-process.ts'
import {
  type BenchOptions,
  type BenchResult,
  histogramOf,
  inTemporary,
  percentile,
  writeLabels,
} from './shared.ts'

const changesPerSecond = 200
const steadySeconds = 30
/** Changes sent before the measurement, for what is only slow once. */
const warm = 200
const tickMs = 5
/** How long the last changes are waited for. */
const lateMsMax = 30_000

type Size = { readonly warm: number; readonly steady: number; readonly perSecond: number }

export async function webhookBench({ tiny, report }: BenchOptions): Promise<BenchResult> {
  const size: Size = tiny
    ? { warm: 5, steady: 50, perSecond: 100 }
    : { warm, steady: changesPerSecond * steadySeconds, perSecond: changesPerSecond }
  return inTemporary(async (dir) => {
    await using receiver = await receive()
    const labels = join(dir, 'labels.ndjson')
    writeLabels(labels, [{ user_id: 'labelled', personas: ['A'] }])
    await using server = await new ServeProcess(['--data', join(dir, 'data'), '--prototypes', labels], {
      KINDRED_WEBHOOK_ALLOW_PRIVATE: 'true',
      KINDRED_WEBHOOK_ALLOW_HTTP: 'true',
    }).start()
    await post(`${server.url}/v1/events`, purchase('labelled', 'p', 'labelled'))
    await until(async () => {
      const reply = await fetch(`${server.url}/v1/users/labelled/personas`)
      return reply.ok && ((await reply.json()) as { status: string }).status === 'prototype'
    })
    receiver.secret = await subscribe(server.url, receiver.url)
    const due = new Map<string, number>()
    await send(server.url, { due, first: 0, count: size.warm, perSecond: size.perSecond })
    await until(() => receiver.arrived.size >= size.warm)
    await send(server.url, { due, first: size.warm, count: size.steady, perSecond: size.perSecond })
    await until(() => receiver.arrived.size >= size.warm + size.steady)
    const latencies = Array.from({ length: size.steady }, (_, n) => {
      const user = `u${size.warm + n}`
      return (receiver.arrived.get(user) ?? Number.NaN) - due.get(user)!
    }).filter((ms) => !Number.isNaN(ms))
    report(`from due to received, ms:\n${histogramOf(latencies)}`)
    const rounded = (share: number) => Math.round(percentile(latencies, share) * 10) / 10
    return {
      changes_per_second: size.perSecond,
      changes: size.steady,
      changes_received: latencies.length,
      repeats: receiver.repeats(),
      p50_ms: rounded(0.5),
      p95_ms: rounded(0.95),
      p99_ms: rounded(0.99),
      max_ms: rounded(1),
    }
  })
}

/** A receiver that checks each signature and notes when a user's first change came. */
async function receive() {
  const arrived = new Map<string, number>()
  let repeats = 0
  const receiver = { secret: '' }
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      if (!isSigned(request, body, receiver.secret)) return response.writeHead(401).end()
      const { user_id } = JSON.parse(body.toString('utf8')) as ChangeEvent
      if (arrived.has(user_id)) repeats++
      else arrived.set(user_id, performance.now())
      return response.writeHead(204).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(receiver, {
    arrived,
    repeats: () => repeats,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  })
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** As README tells receivers to do it. */
function isSigned({ headers }: IncomingMessage, body: Buffer, secret: string): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const expected = createHmac('sha256', key).update(signed).digest()
  return String(headers['webhook-signature'])
    .split(' ')
    .map((signature) => Buffer.from(signature.replace('v1,', ''), 'base64'))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected))
}

async function subscribe(url: string, to: string): Promise<string> {
  const reply = await post(`${url}/v1/webhooks`, { url: to })
  return ((await reply.json()) as { secret: string }).secret
}

/** Sends one event at a time, each of a new user and so one change, when it is due. */
async function send(
  url: string,
  {
    due,
    first,
    count,
    perSecond,
  }: { due: Map<string, number>; first: number; count: number; perSecond: number },
): Promise<void> {
  const began = performance.now()
  const replies: Promise<unknown>[] = []
  for (let n = 0; n < count; ) {
    const now = performance.now()
    for (; n < count && began + (n * 1000) / perSecond <= now; n++) {
      const user = `u${first + n}`
      due.set(user, began + (n * 1000) / perSecond)
      replies.push(post(`${url}/v1/events`, purchase(user, 'p', user)))
    }
    await sleep(tickMs)
  }
  await Promise.all(replies)
}

function purchase(user: string, product: string, id: string): object {
  return { event_id: id, user_id: user, product_id: product, type: 'purchase', ts: '2025-01-01T00:00:00Z' }
}

async function post(url: string, body: unknown): Promise<Response> {
  const reply = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}: ${await reply.text()}`)
  return reply
}

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + lateMsMax; !(await done()) && performance.now() < end; )
    await sleep(tickMs)
}
