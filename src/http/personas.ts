// GET /v1/users/:id/personas: the answer held for a user, one record read; and the same of a batch of users.
import type { FastifyPluginAsync } from 'fastify'
import { idProblem } from '../core/ids.ts'
import type { LookupPorts, StatusPorts } from './app.ts'
import { operations } from './operations.ts'
import { neverSeen, sendProblem } from './problem.ts'
import { route } from './route.ts'
import type { PersonasBatch } from './schemas.ts'
import { markStale } from './stale.ts'

/** Bytes of a batch's body: ids of 256 bytes, each of them escaped. */
export const batchBytesMax = 2 * 1024 * 1024

export const personaRoutes: FastifyPluginAsync<{ ports: LookupPorts & StatusPorts }> = async (
  app,
  { ports },
) => {
  // the one that bidders wait for: nothing between the id and the record but the id's own rule
  app.get<{ Params: { id: string } }>(operations.getPersonas.path, (request, reply) => {
    const { id } = request.params
    const problem = idProblem(id)
    if (problem !== undefined)
      return sendProblem(reply, {
        status: 400,
        title: 'bad user id',
        detail: `the user id ${problem}: ids are 1 to 256 bytes of UTF-8, percent-encoded`,
      })
    const answer = ports.lookUp(id)
    if (answer === undefined) return sendProblem(reply, neverSeen(id))
    markStale(reply, ports)
    return reply.send(answer)
  })

  route(
    app,
    operations.getPersonasBatch,
    ({ body, reply }): PersonasBatch => {
      markStale(reply, ports)
      return {
        users: body.user_ids.map((user_id) => {
          const answer = ports.lookUp(user_id)
          return answer === undefined ? { found: false, user_id } : { found: true, ...(answer as Found) }
        }),
      }
    },
    { bodyLimit: batchBytesMax },
  )
}

type Found = Omit<Extract<PersonasBatch['users'][number], { found: true }>, 'found'>
