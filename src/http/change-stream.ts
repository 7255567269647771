// Server-sent events: change events to many clients, each at its own place in the feed. A client is written to only as
// fast as it reads; one that does not is cut, and comes back with the cursor of what it got last.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import type { ChangeEvent } from '../codec/change-event.ts'
import type { FeedGone, FeedPage } from '../lookup/change-feed.ts'
import type { LookupPorts } from './app.ts'
import { goneProblem } from './problem.ts'

export type StreamLimits = {
  readonly clientsMax: number
  /** Changes handed to a client at a time. */
  readonly pageRows: number
  /** How often the feed is looked at while there are clients. */
  readonly pollMs: number
  /** A client that nothing was sent to for so long is sent a comment with its cursor. */
  readonly heartbeatMs: number
  /** How long a client may leave unread what was written to it. */
  readonly stallMsMax: number
}
export const streamLimits: StreamLimits = {
  clientsMax: 256,
  pageRows: 128,
  pollMs: 50,
  heartbeatMs: 15_000,
  stallMsMax: 10_000,
}

type Client = {
  readonly response: ServerResponse
  /** Of the request: the response has none while it waits behind others of its connection. */
  readonly socket: Socket
  readonly personas: ReadonlySet<string> | undefined
  cursor: number
  /** Cursor that the client knows. */
  told: number
  wroteAt: number
  /** Since when it has not read what was written; undefined when it has. */
  stalledAt: number | undefined
}
type Pages = Map<number, FeedPage | FeedGone>
/** One look at the feed for everybody. */
type Round = { readonly left: Client[]; readonly pages: Pages; more: boolean }

/** Time for which streams keep other requests waiting. */
const sliceMs = 1

export class ChangeStream {
  readonly #ports: Pick<LookupPorts, 'feed'>
  readonly #limits: StreamLimits & { readonly now: () => number }
  readonly #clients = new Set<Client>()
  #timer: NodeJS.Timeout | undefined
  #round: Round | undefined

  /** `now`: ms of a clock that does not go back. */
  constructor(ports: Pick<LookupPorts, 'feed'>, limits: StreamLimits & { readonly now: () => number }) {
    this.#ports = ports
    this.#limits = limits
  }

  get size(): number {
    return this.#clients.size
  }

  get full(): boolean {
    return this.#clients.size >= this.#limits.clientsMax
  }

  /** Streams what comes behind `cursor` to a reply that was hijacked. */
  open(
    reply: FastifyReply,
    { cursor, personas }: { cursor: number; personas: ReadonlySet<string> | undefined },
  ): void {
    const response = reply.raw
    if (response.destroyed) return // its client has gone
    const now = this.#limits.now()
    const { socket } = reply.request.raw
    const client: Client = {
      response,
      socket,
      personas,
      cursor,
      told: cursor,
      wroteAt: now,
      stalledAt: undefined,
    }
    response.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // a proxy must not collect them
    })
    response.on('drain', () => {
      client.stalledAt = undefined
      this.#schedule(0)
    })
    response.on('error', () => response.destroy())
    response.once('close', () => {
      this.#clients.delete(client)
      if (this.#clients.size === 0) this.#stop()
    })
    this.#clients.add(client)
    this.#write(client, `retry: 1000\nid: ${cursor}\n\n`)
    this.#schedule(0)
  }

  /** Ends all streams: clients come back to whoever serves then. */
  close(): void {
    this.#stop()
    for (const { response } of this.#clients) response.end()
  }

  #schedule(ms: number): void {
    if (ms === 0) this.#stop()
    this.#timer ??= setTimeout(() => this.#tick(), ms)
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /**
   * Every client that reads gets one page; clients at the same place share its reading. Many at different places are many pages:
   * after a slice, those who were not reached wait while other requests have their turn.
   */
  #tick(): void {
    this.#timer = undefined
    const { now, stallMsMax, pollMs } = this.#limits
    const end = now() + sliceMs
    this.#round ??= { left: [...this.#clients], pages: new Map(), more: false }
    const round = this.#round
    for (let client = round.left.pop(); client !== undefined; client = round.left.pop()) {
      const { stalledAt } = client
      if (!this.#clients.has(client)) continue // it left meanwhile
      if (stalledAt === undefined) round.more = this.#advance(client, round.pages) || round.more
      else if (now() - stalledAt > stallMsMax) client.socket.destroy()
      if (round.left.length > 0 && now() > end) return this.#schedule(1)
    }
    this.#round = undefined
    if (this.#clients.size > 0) this.#schedule(round.more ? 1 : pollMs)
  }

  /** Whether there is more for the client, which has room for it. */
  #advance(client: Client, pages: Pages): boolean {
    const { cursor } = client
    const page = pages.get(cursor) ?? this.#ports.feed({ after: cursor, limit: this.#limits.pageRows })
    pages.set(cursor, page)
    if ('gone' in page) {
      client.response.end(`event: gone\ndata: ${JSON.stringify(goneProblem(page))}\n\n`)
      this.#clients.delete(client)
      return false
    }
    client.cursor = page.cursor
    let text = ''
    for (const { number, json } of page.rows) {
      if (client.personas !== undefined && !concerns(JSON.parse(json) as ChangeEvent, client.personas))
        continue
      text += `id: ${number + 1}\ndata: ${json}\n\n`
      client.told = number + 1
    }
    if (text !== '') this.#write(client, text)
    else if (this.#limits.now() - client.wroteAt >= this.#limits.heartbeatMs) {
      // an id without data moves Last-Event-ID and dispatches nothing: a filtered client does not fall behind for good
      this.#write(client, `: heartbeat\n${client.told === client.cursor ? '' : `id: ${client.cursor}\n`}\n`)
      client.told = client.cursor
    }
    return page.more && client.stalledAt === undefined
  }

  #write(client: Client, text: string): void {
    client.wroteAt = this.#limits.now()
    if (!client.response.write(text)) client.stalledAt = client.wroteAt
  }
}

/** Whether the change is about one of these personas. */
function concerns(
  { entered, exited, primary, previous_primary: previous }: ChangeEvent,
  personas: ReadonlySet<string>,
): boolean {
  const named = ({ persona }: { persona: string }) => personas.has(persona)
  if (entered.some(named) || exited.some(named)) return true
  return primary !== previous && [primary, previous].some((name) => name !== null && personas.has(name))
}
