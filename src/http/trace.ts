// A span for every request, which continues the trace of its client; registered where there is an SDK and nowhere else.
import type { FastifyInstance } from 'fastify'
import { begin, context, continued, end, tracer } from '../tracing/tracing.ts'

export function traceRequests(app: FastifyInstance): void {
  if (tracer === undefined) return
  app.addHook('onRequest', (request, reply, done) => {
    const { method, routeOptions, id, headers } = request
    const route = routeOptions.url ?? 'none'
    const spanned = begin(`${method} ${route}`, {
      ...continued(headers),
      attributes: { 'http.request.method': method, 'http.route': route, 'kindred.request_id': id },
    })!
    const { raw } = reply
    raw.on('close', () => {
      spanned.span.setAttribute('http.response.status_code', raw.statusCode)
      end(spanned, raw.statusCode >= 500 ? `status ${raw.statusCode}` : undefined)
    })
    context.with(spanned.within, done)
  })
}
