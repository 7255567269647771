// DELETE /v1/users/:id: erasing all that is known of a user, with a receipt.
import type { FastifyPluginAsync } from 'fastify'
import { operations } from './operations.ts'
import type { ControlPorts } from './ports.ts'
import { route } from './route.ts'

export const erasureRoutes: FastifyPluginAsync<{ ports: ControlPorts }> = async (app, { ports }) => {
  route(app, operations.eraseUser, async ({ params, reply }) => {
    const receipt = await ports.erase(params.id)
    return reply.code(receipt.erased ? 200 : 202).send(receipt)
  })
}
