// Which process answers for what: what needs the scope to look up is a lookup, what needs another is ingest's, and the rest
// is answered by every process. A process of one role refuses what belongs to the other, saying which one to ask.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { allOperations, type Operation } from './operations.ts'
import { sendProblem } from './problem.ts'
import { scopeOf } from './security.ts'

/** The role that answers an operation. */
export function servedBy({ method, path }: Pick<Operation, 'method' | 'path'>): 'lookup' | 'ingest' | 'all' {
  if (path === '/metrics') return 'all'
  const scope = scopeOf(method, path)
  return scope === undefined ? 'all' : scope === 'lookup' ? 'lookup' : 'ingest'
}

/** Registers every operation that a process of `role` does not serve, to say so (421, misdirected request). */
export function refuseOthers(app: FastifyInstance, role: 'all' | 'ingest' | 'lookup'): void {
  for (const operation of allOperations()) {
    const by = servedBy(operation)
    if (role === 'all' || by === 'all' || by === role) continue
    const refuse = (reply: FastifyReply) =>
      sendProblem(reply, {
        status: 421,
        title: 'not served here',
        detail: `this process was started with \`--role ${role}\`: ask the one with \`--role ${by}\` on the same data directory`,
      })
    for (const method of operation.method === 'GET' ? ['GET', 'HEAD'] : [operation.method])
      app.route({
        method,
        url: operation.path,
        exposeHeadRoute: false,
        // before the body, which may be of a type or a size that only the other role takes
        onRequest: (_request, reply, _done) => void refuse(reply),
        handler: (_request, reply) => refuse(reply),
      })
  }
}
