// GET /v1/users/:id/personas: the answer held for a user, one record read; and the same of a batch of users.
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { idProblem } from '../core/ids.ts'
import type { LookupPorts } from './app.ts'
import { operations } from './operations.ts'
import { neverSeen, sendProblem } from './problem.ts'
import { route, routeByQuery } from './route.ts'
import type { PersonasBatch } from './schemas.ts'

/** Bytes of a batch's body: ids of 256 bytes, each of them escaped. */
export const batchBytesMax = 2 * 1024 * 1024

const json = 'application/json; charset=utf-8'

export const personaRoutes: FastifyPluginAsync<{ ports: LookupPorts }> = async (app, { ports }) => {
  const answer = (id: string, reply: FastifyReply) => {
    const found = ports.lookUpJson(id)
    if (found === undefined) return sendProblem(reply, neverSeen(id))
    return reply.type(json).send(found)
  }
  // nearly all of these are answered in front of the framework (lean.ts), the same
  app.get<{ Params: { id: string } }>(operations.getPersonas.path, (request, reply) => {
    const { id } = request.params
    const problem = idProblem(id)
    if (problem === undefined) return answer(id, reply)
    return sendProblem(reply, {
      status: 400,
      title: 'bad user id',
      detail: `the user id ${problem}: ids are 1 to 256 bytes of UTF-8, percent-encoded`,
    })
  })
  routeByQuery(app, operations.getPersonas, ({ params, reply }) => answer(params.id, reply))

  route(
    app,
    operations.getPersonasBatch,
    ({ body, reply }) => reply.type(json).send(batchJson(body.user_ids, ports)),
    { bodyLimit: batchBytesMax },
  )
}

/** The answer to a batch, an entry an id, in their order. */
export function batchJson(ids: readonly string[], ports: Pick<LookupPorts, 'lookUpJson'>): string {
  return `{"users":[${ids.map((id) => entryOf(id, ports.lookUpJson(id))).join(',')}]}`
}

/** An entry of a batch: the answer, with `found` before it. */
function entryOf(id: string, answer: string | undefined): string {
  return answer === undefined
    ? JSON.stringify({ found: false, user_id: id } satisfies PersonasBatch['users'][number])
    : `{"found":true,${answer.slice(1)}`
}
