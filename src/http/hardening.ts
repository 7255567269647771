// What holds for every connection and every answer, whatever is asked: limits of headers, times and connections; security
// headers; and problem details also for what cannot be read as HTTP. CORS stays off: no answer has a header of it.
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { requestIdHeader } from './observe.ts'
import { type Problem, sendProblem } from './problem.ts'

/** Named limits of the listening side (I7). */
export type ServerLimits = {
  /** Connections open at a time: one more is closed as it comes. */
  readonly connectionsMax: number
  /** Bytes of the request line and all headers; more is 431. */
  readonly headerBytesMax: number
  /** How long headers, and a whole request with its body, may take to come; longer is 408. */
  readonly headersMs: number
  readonly requestMs: number
  /** How often that is looked at. */
  readonly checkMs: number
  /** How long a connection may be kept without a request. */
  readonly idleMs: number
}
export const serverLimits: ServerLimits = {
  connectionsMax: 4_096,
  headerBytesMax: 16 * 1024,
  headersMs: 10_000,
  requestMs: 60_000,
  checkMs: 1_000,
  idleMs: 72_000,
}

/** Options of Fastify, and of the server below it. */
export function serverOptions(limits: ServerLimits, newId: () => string) {
  return {
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    http: {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: limits.checkMs,
      requireHostHeader: false, // it is asked for below, where the answer is a problem
    } satisfies ServerOptions,
    clientErrorHandler: (error: Error, socket: Socket) => refuseRaw(socket, unreadable(error), newId()),
  }
}

/** On every answer: it is of the type that it says, not to be kept, and no page. */
export const everyAnswer = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const

export function markSafe(reply: FastifyReply): void {
  reply.headers(everyAnswer)
}

/** Puts all of it on `app`, ahead of what is registered later. */
export function harden(
  app: FastifyInstance,
  { limits: { connectionsMax }, newId }: { readonly limits: ServerLimits; readonly newId: () => string },
): void {
  const server = app.server as Server
  server.maxConnections = connectionsMax
  server.maxHeadersCount = 0 // their bytes are limited; past a number Node would leave some out and say nothing
  server.on('checkExpectation', (request, response) => {
    request.headers.expect = '' // an expectation that is not known is no reason to refuse (RFC 9110 §10.1.1)
    server.emit('request', request, response)
  })
  server.on('connect', (_request, socket: Duplex) =>
    refuseRaw(socket, { status: 405, title: 'method not taken', detail: 'this is no proxy' }, newId()),
  )
  app.addHook('onRequest', (request, reply, done) => {
    markSafe(reply)
    const { raw, headers } = request
    const { 'content-encoding': coded } = headers
    if (raw.httpVersion === '1.1' && !hasOneHost(raw))
      sendProblem(reply, { status: 400, title: 'bad request', detail: 'HTTP/1.1 asks for one Host header' })
    else if (coded !== undefined && coded !== '' && coded.toLowerCase() !== 'identity')
      sendProblem(reply.header('accept-encoding', 'identity'), {
        status: 415,
        title: 'content coding not taken',
        detail: 'send the body as it is, without content-encoding',
      })
    else done()
  })
}

/** Node takes the first of several, and whatever stands before this service may take another (RFC 9112 §3.2). */
export function hasOneHost({ rawHeaders }: IncomingMessage): boolean {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count === 1
}

/** What the parser of HTTP gave up on. */
function unreadable(error: Error & { readonly code?: string }): Problem {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, title: 'headers too large', detail: 'the request line and headers are too long' }
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { status: 413, title: 'body too large', detail: 'the chunk extensions are too long' }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: 408,
        title: 'too slow',
        detail: 'the request did not come whole in time: send it again',
      }
    default:
      return { status: 400, title: 'not HTTP', detail: 'the request cannot be read as HTTP/1.1' }
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
}

type Current = { readonly headersSent: boolean; readonly req: { readonly complete: boolean } }

/**
 * Answers on a connection that has no reply of its own, and ends it: behind the answers to the requests before. Nothing where
 * the answer to this request is under way already.
 */
function refuseRaw(socket: Duplex, problem: Problem, id: string): void {
  const { _httpMessage: current } = socket as { _httpMessage?: (Current & EventEmitter) | null }
  if (!socket.writable) return void socket.destroy()
  if (current?.req.complete === true)
    return void current.once('close', () => setImmediate(refuseRaw, socket, problem, id))
  if (current?.headersSent === true) return void socket.destroy()
  const body = JSON.stringify({ type: 'about:blank', ...problem, request_id: id })
  const headers = {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    [requestIdHeader]: id,
    ...(problem.status === 405 ? { allow: '' } : {}),
    ...everyAnswer,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${reasons[problem.status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  )
}
