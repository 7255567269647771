// The writing side of the soak: events at a steady rate, sent again until they are acknowledged, whatever becomes of the
// process that ingests; and shoppers who come, are erased, and must not be known to any process from then on.
import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoEvent } from '../../src/demo/shop.ts'
import type { ServeProcess } from '../serve-process.ts'
import type { History } from './history.ts'

export type WriterOptions = {
  readonly ingest: ServeProcess
  readonly lookups: readonly ServeProcess[]
  readonly events: readonly DemoEvent[]
  readonly perSecond: number
  readonly history: History
}

const perRequest = 50
const retryMs = 20
/** A shopper to be erased comes so often. */
const erasureEveryMs = 500
const noticeMsMax = 60_000

export class Writer {
  readonly #options: WriterOptions
  readonly #stopped = new AbortController()
  /** Users of events that were acknowledged. */
  readonly known: string[] = []
  /** Users whose erasure was acknowledged as applied. */
  readonly erased = new Set<string>()
  sent = 0

  constructor(options: WriterOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    await Promise.all([this.#send(), this.#erase()])
  }

  /** Sends no more; resolves at once. */
  async stop(): Promise<void> {
    this.#stopped.abort()
  }

  async #send(): Promise<void> {
    const { events, perSecond } = this.#options
    const seen = new Set<string>()
    const began = performance.now()
    for (; this.sent < events.length && !this.#stopped.signal.aborted; ) {
      const part = events.slice(this.sent, this.sent + perRequest)
      await this.#ask('POST', '/v1/events', part)
      this.sent += part.length
      for (const { user_id } of part) {
        if (seen.has(user_id)) continue
        seen.add(user_id)
        this.known.push(user_id)
      }
      await this.#wait(began + (this.sent / perSecond) * 1000 - performance.now())
    }
  }

  async #erase(): Promise<void> {
    for (let n = 0; !this.#stopped.signal.aborted; n++) {
      const event = { ...this.#options.events[n]!, event_id: `gone-${n}`, user_id: `gone-${n}` }
      await this.#ask('POST', '/v1/events', event)
      await this.#everywhere(event.user_id, 200)
      const erased = await this.#ask('DELETE', `/v1/users/${event.user_id}`)
      if (erased === 202) await this.#everywhere(event.user_id, 404)
      this.erased.add(event.user_id)
      await this.#wait(erasureEveryMs)
    }
  }

  /** Sends until it is acknowledged: ingest may be down, or be killed on the way. The status of that. */
  async #ask(method: string, path: string, body?: unknown): Promise<number> {
    for (;;) {
      const status = await this.#once(method, path, body)
      if (status === 200 || status === 202) return status
      if (status !== undefined && status !== 503) throw new Error(`${method} ${path} was answered ${status}`)
      await sleep(retryMs)
    }
  }

  /** The status; undefined where nobody answered. */
  async #once(method: string, path: string, body: unknown): Promise<number | undefined> {
    const { ingest } = this.#options
    if (!ingest.up) return undefined
    try {
      const reply = await fetch(ingest.url + path, {
        method,
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      await reply.arrayBuffer()
      return reply.status
    } catch {
      return undefined
    }
  }

  /** Until every process answers with this status. */
  async #everywhere(userId: string, status: number): Promise<void> {
    for (const { url } of this.#options.lookups)
      for (const end = performance.now() + noticeMsMax; ; ) {
        const reply = await fetch(`${url}/v1/users/${userId}/personas`)
        await reply.arrayBuffer()
        if (reply.status === status) break
        if (performance.now() > end)
          return this.#options.history.blame(`${userId} is answered ${reply.status}, not ${status}`)
        await sleep(retryMs)
      }
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stopped.signal }).catch(() => undefined)
  }
}
