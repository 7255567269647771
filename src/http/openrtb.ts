// Ad tech: what is held for a user as user.data[] of OpenRTB 2.6, within a deadline. Past it the answer says that nothing
// is known; a bidder never waits for us.
import { hash } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { PersonasAnswer } from '../lookup/answer.ts'
import type { LookupPorts } from './app.ts'
import { type OpenRtbMapping, openRtbDataOf } from './openrtb-mapping.ts'
import { operations } from './operations.ts'
import { batchBytesMax } from './personas.ts'
import { neverSeen, ProblemError } from './problem.ts'
import { route } from './route.ts'
import type { OpenRtbUser } from './schemas.ts'

type Options = { readonly ports: LookupPorts; readonly mapping: OpenRtbMapping }

export const openRtbRoutes: FastifyPluginAsync<Options> = async (app, { ports, mapping }) => {
  const arrivals = new WeakMap<FastifyRequest, number>()
  app.addHook('onRequest', (request, _reply, done) => {
    arrivals.set(request, performance.now())
    done()
  })
  /** How long ago the request's headers were read, ms. */
  const elapsed = (request: FastifyRequest) => performance.now() - arrivals.get(request)!

  route(app, operations.getOpenRtb, ({ params: { id }, query, headers, request, reply }) => {
    const deadline = earliest(query, headers)
    if (elapsed(request) >= deadline) return unknown(id, 'deadline')
    const answer = ports.lookUp(id)
    if (elapsed(request) >= deadline) return unknown(id, 'deadline')
    if (answer === undefined) throw new ProblemError(neverSeen(id))
    const body = JSON.stringify(userOf(answer, mapping))
    const tag = tagOf(answer, body)
    reply.header('etag', tag).header('cache-control', 'private, no-cache')
    if (matches(headers['if-none-match'], tag)) return reply.code(304).send()
    return reply.type('application/json; charset=utf-8').send(body)
  })

  app.register(async (batch) => {
    // a body that trickles in must not make a bidder wait: the deadline runs while it is read
    batch.addHook('onRequest', async (request, reply) => {
      const { query, headers } = operations.getOpenRtbBatch
      const given = { ...query.safeParse(request.query).data, ...headers.safeParse(request.headers).data }
      const deadline = earliest(given, given)
      if (deadline === Number.POSITIVE_INFINITY) return
      const timer = setTimeout(() => tooLate(reply), deadline - elapsed(request))
      reply.raw.once('close', () => clearTimeout(timer))
    })
    route(
      batch,
      operations.getOpenRtbBatch,
      ({ body, query, headers, request, reply }) => {
        if (reply.sent) return reply
        const deadline = earliest(query, headers)
        return {
          users: body.user_ids.map((id) => {
            if (elapsed(request) >= deadline) return unknown(id, 'deadline')
            const answer = ports.lookUp(id)
            return answer === undefined ? unknown(id, 'never_seen') : userOf(answer, mapping)
          }),
        }
      },
      { bodyLimit: batchBytesMax },
    )
  })
}

/** The nearer of the two deadlines that may be given, ms from the arrival. */
function earliest(
  { deadline_ms }: { deadline_ms?: number | undefined },
  { 'x-deadline-ms': header }: { 'x-deadline-ms'?: number | undefined },
): number {
  return Math.min(deadline_ms ?? Number.POSITIVE_INFINITY, header ?? Number.POSITIVE_INFINITY)
}

function tooLate(reply: FastifyReply): void {
  if (!reply.sent) reply.header('connection', 'close').send({ users: [] })
}

function unknown(user_id: string, reason: 'deadline' | 'never_seen'): OpenRtbUser {
  return { user_id, status: 'unknown', reason, data: [] }
}

function userOf(answer: PersonasAnswer, mapping: OpenRtbMapping): OpenRtbUser {
  const { user_id } = answer
  const status = answer.status as OpenRtbUser['status']
  if (status === 'unknown') return { user_id, status, reason: 'evidence', data: [] }
  return { user_id, status, data: openRtbDataOf(answer, mapping) }
}

/** Sequence, version and epoch say which answer it is; the hash tells apart what they do not (a probability, the mapping). */
function tagOf({ version, prototype_set_version, calibration_epoch }: PersonasAnswer, body: string): string {
  return `"${version}-${prototype_set_version}-${calibration_epoch}-${hash('sha1', body, 'hex').slice(0, 16)}"`
}

/** Whether an If-None-Match names the tag (RFC 9110 §13.1.2: weakly compared). */
function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((given) => {
    const bare = given.trim()
    return bare === '*' || bare === tag || bare === `W/${tag}`
  })
}
