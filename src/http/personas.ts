// GET /v1/users/:id/personas: the answer held for a user, one record read.
import type { FastifyPluginAsync } from 'fastify'
import { idProblem } from '../core/ids.ts'
import type { AppPorts } from './app.ts'
import { sendProblem } from './problem.ts'

export const personaRoutes: FastifyPluginAsync<{ ports: AppPorts }> = async (app, { ports }) => {
  app.get<{ Params: { id: string } }>('/v1/users/:id/personas', (request, reply) => {
    const { id } = request.params
    const problem = idProblem(id)
    if (problem !== undefined)
      return sendProblem(reply, { status: 400, title: 'bad user id', detail: `the user id ${problem}` })
    const answer = ports.lookUp(id)
    if (answer === undefined)
      return sendProblem(reply, {
        status: 404,
        title: 'user never seen',
        detail: 'no event or label of this user has been applied (or the user was erased)',
        user_id: id,
      })
    return reply.send(answer)
  })
}
