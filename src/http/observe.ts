// Every request is counted: by route and status, with the time from its headers to the end of its answer. And it has an id,
// its client's or one of ours, which its answer names.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { clientGone, type HttpMeter, type RouteTimes } from '../metrics/http-meter.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Where requests of the route are counted. */
    times?: RouteTimes
  }
  interface FastifyRequest {
    /** The configuration of its route, read once: Fastify makes an object each time it is asked. */
    routed: FastifyContextConfig
    /** When its headers were read, ms. */
    began: number
  }
}

export const requestIdHeader = 'x-request-id'
/** What is taken for an id of a client: nothing that would be more than a word in a log. */
const idForm = /^[\w.:+/=@-]{1,128}$/

/** Ids of requests: the client's where it is well-formed, else of this process and a number. */
export function requestIds(): (request: Pick<IncomingMessage, 'headers'>) => string {
  const prefix = randomUUID().slice(0, 13)
  let count = 0
  return ({ headers }) => {
    const given = headers[requestIdHeader]
    return typeof given === 'string' && idForm.test(given) ? given : `${prefix}-${(++count).toString(36)}`
  }
}

/** Streams are not counted by how long they last: when they begin they are answered. */
const streams = new WeakSet<FastifyReply['raw']>()
const unrouted: FastifyContextConfig = {} as FastifyContextConfig

/** A connection, with its answers that are not written. */
type Connection = { readonly answers: Set<ServerResponse>; gone: boolean }
const connections = new WeakMap<Socket, Connection>()

/**
 * Closes all answers of a connection with it. Node forgets those to pipelined requests that wait behind another: what they
 * hold until they are closed would stay held.
 */
function closeWithConnection(socket: Socket): void {
  const connection: Connection = { answers: new Set(), gone: false }
  connections.set(socket, connection)
  socket.once('close', () =>
    setImmediate(() => {
      connection.gone = true
      for (const answer of connection.answers) {
        answer.destroyed = true
        answer.emit('close')
      }
    }),
  )
}

/** Counts requests of all routes that are registered from now on; each is logged at level debug, by its route alone. */
export function observeRequests(app: FastifyInstance, meter: HttpMeter): void {
  app.server.on('connection', closeWithConnection)
  const logging = app.log.level === 'debug' || app.log.level === 'trace'
  const watch = (request: FastifyRequest, reply: FastifyReply) => {
    const { raw } = reply
    const connection = connections.get(request.raw.socket)
    connection?.answers.add(raw)
    meter.inFlight++
    raw.on('close', () => {
      connection?.answers.delete(raw)
      if (streams.has(raw)) return
      meter.inFlight--
      const times = request.routed.times ?? meter.unmatched
      const status = raw.writableEnded && connection?.gone !== true ? raw.statusCode : clientGone
      const ms = performance.now() - request.began
      times.observe(status, ms)
      if (logging) request.log.debug({ method: request.method, route: times.route, status, ms }, 'answered')
    })
    reply.header(requestIdHeader, request.id)
  }
  app.addHook('onRoute', (route) => {
    const { method, url } = route
    const times = meter.route(Array.isArray(method) ? method.join('|') : method, url)
    route.config = { ...route.config, times }
  })
  app.decorateRequest('routed', null as never) // set by the hook below, the first of all
  app.decorateRequest('began', 0)
  app.addHook('onRequest', (request, reply, done) => {
    request.began = performance.now()
    request.routed = request.routeOptions.config ?? unrouted
    watch(request, reply)
    done()
  })
}

/** A reply becomes a stream: it counts as answered now. */
export function observeStream(reply: FastifyReply, meter: HttpMeter): void {
  const { raw, request } = reply
  if (raw.destroyed) return
  streams.add(raw)
  meter.inFlight--
  request.routed.times?.observe(200, reply.elapsedTime)
}
