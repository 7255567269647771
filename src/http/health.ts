// /healthz: the process answers. /readyz: it may be sent requests. A process that only looks up may be while nothing is
// ingested: it answers from what is there, and says how old that is.
import type { FastifyPluginAsync } from 'fastify'
import type { StatusPorts } from './app.ts'
import { operations } from './operations.ts'
import { sendProblem } from './problem.ts'
import type { Role } from './role.ts'
import { route } from './route.ts'

/** What whoever asks whether it is ready is asked to wait, seconds. */
const retryAfterSeconds = '1'

export const healthRoutes: FastifyPluginAsync<{ ports: StatusPorts; role: Role }> = async (
  app,
  { ports, role },
) => {
  route(app, operations.getHealth, () => ({ status: 'ok' }))
  route(app, operations.getReadiness, ({ reply }) => {
    const reason = ports.notReady()
    if (reason !== undefined)
      return sendProblem(reply.header('retry-after', retryAfterSeconds), {
        status: 503,
        title: 'not ready',
        detail: reason,
        role,
      })
    return {
      status: 'ready',
      role,
      backlog: ports.backlog().records,
      behind_ms: Math.round(ports.behindMs()),
      ingest_problem: ports.ingestProblem() ?? null,
    }
  })
}
