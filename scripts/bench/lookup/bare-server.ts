// The baseline: `fastify()` with its defaults and the one route that is compared, answering a constant string as JSON. No
// token, no id looked at, nothing read, nothing serialised; it takes the same requests as Kindred.
import { fastify } from 'fastify'
import { startPeer } from './peer.ts'

startPeer(async (size) => {
  const app = fastify()
  const body = 'x'.repeat(size)
  app.get('/v1/users/:id/personas', (_request, reply) => {
    reply.type('application/json; charset=utf-8').send(body)
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app.server.address()
})
