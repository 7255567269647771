// GET /v1/changes: pages of the feed by cursor; GET /v1/changes/stream: the same as server-sent events.
import type { FastifyPluginAsync } from 'fastify'
import type { HttpMeter } from '../metrics/http-meter.ts'
import type { LookupPorts } from './app.ts'
import { ChangeStream, type StreamLimits, streamLimits } from './change-stream.ts'
import { observeStream } from './observe.ts'
import { operations } from './operations.ts'
import { goneProblem, ProblemError } from './problem.ts'
import { route } from './route.ts'
import { changePage } from './users.ts'

export const changeRoutes: FastifyPluginAsync<{
  ports: LookupPorts
  meter: HttpMeter
  limits?: StreamLimits
}> = async (app, { ports, meter, limits = streamLimits }) => {
  route(app, operations.getChanges, ({ query, reply }) => {
    const page = ports.feed(query)
    if ('gone' in page) throw new ProblemError(goneProblem(page))
    const { rows, cursor, more } = page
    const changes = rows.map(({ json }) => json)
    return reply.type('application/json; charset=utf-8').send(changePage({ changes, cursor, more }))
  })

  const stream = new ChangeStream(ports, { ...limits, now: () => performance.now() })
  meter.streams = () => stream.size
  app.addHook('preClose', async () => stream.close())
  route(
    app,
    operations.streamChanges,
    ({ query, headers, reply }) => {
      const { persona } = query
      const after = headers['last-event-id'] ?? query.after
      const page = ports.feed({ after, limit: 0 })
      if ('gone' in page) throw new ProblemError(goneProblem(page))
      if (stream.full) {
        reply.header('retry-after', '10')
        throw new ProblemError({
          status: 503,
          title: 'too many streams',
          detail: `${limits.clientsMax} clients are being streamed to: try again after 10 s, or page through /v1/changes`,
        })
      }
      reply.hijack()
      observeStream(reply, meter)
      stream.open(reply, {
        cursor: after ?? page.newest,
        personas: persona === undefined ? undefined : new Set(Array.isArray(persona) ? persona : [persona]),
      })
      return reply
    },
    { exposeHeadRoute: false },
  )
}
