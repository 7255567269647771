// Every request is counted: by route and status, with the time from its headers to the end of its answer. And it has an id,
// its client's or one of ours, which its answer names.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { clientGone, type HttpMeter, type RouteTimes } from '../metrics/http-meter.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Where requests of the route are counted. */
    times?: RouteTimes
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

/** Counts requests of all routes that are registered from now on; each is logged at level debug, by its route alone. */
export function observeRequests(app: FastifyInstance, meter: HttpMeter): void {
  app.addHook('onRoute', (route) => {
    const { method, url } = route
    const times = meter.route(Array.isArray(method) ? method.join('|') : method, url)
    route.config = { ...route.config, times }
  })
  const logging = app.log.level === 'debug' || app.log.level === 'trace'
  app.addHook('onRequest', (request, reply, done) => {
    const began = performance.now()
    const { raw } = reply
    meter.inFlight++
    raw.on('close', () => {
      if (streams.has(raw)) return
      meter.inFlight--
      const times = request.routeOptions.config?.times ?? meter.unmatched
      const status = raw.writableEnded ? raw.statusCode : clientGone
      const ms = performance.now() - began
      times.observe(status, ms)
      if (logging) request.log.debug({ method: request.method, route: times.route, status, ms }, 'answered')
    })
    reply.header(requestIdHeader, request.id)
    done()
  })
}

/** A reply becomes a stream: it counts as answered now. */
export function observeStream(reply: FastifyReply, meter: HttpMeter): void {
  const { raw, request } = reply
  if (raw.closed) return
  streams.add(raw)
  meter.inFlight--
  request.routeOptions.config?.times?.observe(200, reply.elapsedTime)
}
