// A real HTTP receiver that behaves as it is told, well or badly, and keeps what it was sent.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChangeEvent } from '../../src/codec/change-event.ts'

export type Received = {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly path: string
  /** ms since 1970. */
  readonly at: number
}
export type Behaviour =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** Never answers. */
  | 'stall'
  /** Answers 200 and then a byte now and then, for ever. */
  | 'trickle'
  /** Answers 101 to what did not ask for another protocol, and leaves the connection open. */
  | 'upgrade'
  /** Closes the connection instead of an answer. */
  | 'close'
  /** Says 200 and a length of 1000, sends ten bytes and closes. */
  | 'short'
  /** Says 200 and a length of a million, sends 70,000 bytes and closes. */
  | 'short and long'
  /** Says 200 and a length of 5, and sends more. */
  | 'long'
  /** Says 200 and sends without end. */
  | 'flood'

export type Receiver = AsyncDisposable & {
  readonly url: string
  readonly port: number
  readonly received: Received[]
  /** What it does with the request that came as number `n` (0, 1 …). */
  behave: (received: Received, n: number) => Behaviour | Promise<Behaviour>
}

export const well: Behaviour = { status: 204 }

export async function startReceiver(behave: Receiver['behave'] = () => well, port = 0): Promise<Receiver> {
  const received: Received[] = []
  const timers = new Set<NodeJS.Timeout>()
  const server = createServer((request, response) => {
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    void take(request).then(async (one) => {
      const n = received.push(one) - 1
      act(await receiver.behave(one, n), response, timers)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const bound = (server.address() as AddressInfo).port
  const receiver: Receiver = {
    url: `http://127.0.0.1:${bound}/hook`,
    port: bound,
    received,
    behave,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return receiver
}

async function take(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return {
    headers: request.headers,
    body: Buffer.concat(chunks),
    path: request.url!,
    at: Date.now(),
  }
}

function act(behaviour: Behaviour, response: ServerResponse, timers: Set<NodeJS.Timeout>): void {
  const socket = response.socket!
  if (typeof behaviour !== 'string') {
    response.writeHead(behaviour.status, behaviour.headers ?? {}).end(behaviour.body)
    return
  }
  switch (behaviour) {
    case 'stall':
      return
    case 'upgrade':
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      return
    case 'close':
      socket.destroy()
      return
    case 'short':
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0123456789')
      return
    case 'short and long':
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(70_000)}`)
      return
    case 'long':
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${'0123456789'.repeat(50)}`)
      return
    case 'trickle': {
      response.writeHead(200).write('.')
      const timer = setInterval(() => response.write('.'), 20)
      timers.add(timer)
      response.on('close', () => clearInterval(timer))
      return
    }
    case 'flood': {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
      return
    }
  }
}

/** The change event of a body in Kindred's own format. */
export function changeIn({ body }: Received): ChangeEvent {
  return JSON.parse(body.toString('utf8')) as ChangeEvent
}

/**
 * Throws unless, repeats aside, what each user was sent has sequences in order; the ids in the order of their first
 * arrival, by user.
 */
export function inUserOrder(received: readonly Received[]): Map<string, string[]> {
  const seen = new Set<string>()
  const byUser = new Map<string, { ids: string[]; sequence: number }>()
  for (const one of received) {
    const { event_id, user_id, sequence } = changeIn(one)
    if (one.headers['webhook-id'] !== event_id)
      throw new Error(`${event_id} came as ${one.headers['webhook-id']}`)
    if (seen.has(event_id)) continue
    seen.add(event_id)
    const user = byUser.get(user_id) ?? { ids: [], sequence: 0 }
    byUser.set(user_id, user)
    if (sequence <= user.sequence) throw new Error(`${user_id} was sent ${sequence} after ${user.sequence}`)
    user.sequence = sequence
    user.ids.push(event_id)
  }
  return new Map(Array.from(byUser, ([user, { ids }]) => [user, ids]))
}
