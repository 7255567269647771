// /healthz: the process answers. /readyz: it may be sent traffic.
import type { FastifyPluginAsync } from 'fastify'
import type { AppPorts } from './app.ts'
import { sendProblem } from './problem.ts'

export const healthRoutes: FastifyPluginAsync<{ ports: AppPorts }> = async (app, { ports }) => {
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }))
  app.get('/readyz', (_request, reply) => {
    const reason = ports.notReady()
    if (reason !== undefined) return sendProblem(reply, { status: 503, title: 'not ready', detail: reason })
    return reply.send({ status: 'ready', backlog: ports.backlog().records })
  })
}
