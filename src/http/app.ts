// The HTTP application: a Fastify instance over ports, apart from the process that listens (serve).
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { LockedError, messageOf, TransientError } from '../errors.ts'
import type { PersonasAnswer } from '../lookup/answer.ts'
import type { Appended } from '../source/log-appender.ts'
import type { BlockInput } from '../source/log-block.ts'
import { audienceRoutes } from './audiences.ts'
import type { StreamLimits } from './change-stream.ts'
import { changeRoutes } from './changes.ts'
import { eventRoutes } from './events.ts'
import { healthRoutes } from './health.ts'
import { metricsRoutes, type Truth } from './metrics.ts'
import { openApiRoutes } from './openapi.ts'
import { openRtbRoutes } from './openrtb.ts'
import { type OpenRtbMapping, ownNames } from './openrtb-mapping.ts'
import { personaRoutes } from './personas.ts'
import type { ControlPorts, ReadPorts } from './ports.ts'
import { type Problem, ProblemError, sendProblem } from './problem.ts'
import { quarantineRoutes } from './quarantine.ts'
import { type SecurityOptions, secure } from './security.ts'
import { userRoutes } from './users.ts'
import { type WebhookPort, webhookRoutes } from './webhooks.ts'

/** What the API needs: lookups that read, an append that is durable once it resolves, and how things stand. */
export type AppPorts = ReadPorts &
  ControlPorts & {
    lookUp(userId: string): PersonasAnswer | undefined
    append(block: BlockInput): Promise<Appended>
    /** Whether so many records wait that more are refused, and the records that wait. */
    backlog(): { readonly records: number; readonly full: boolean }
    /** How right the answers are on held-out labels. */
    truth(): Truth
    /** Why the service is not ready; undefined when it is. */
    notReady(): string | undefined
    /** Subscriptions; absent where a process does not administer them. */
    readonly webhooks?: WebhookPort
  }

export type AppOptions = {
  readonly ports: AppPorts
  readonly bodyBytesMax: number
  readonly logger?: FastifyBaseLogger
  /** Segments of OpenRTB by persona; their own names without. */
  readonly openRtb?: OpenRtbMapping
  readonly streams?: StreamLimits
  /** Who may call what; everybody everything without. */
  readonly security?: SecurityOptions
}

/** An id of 256 bytes, percent-encoded, with room to be told that it is too long. */
const paramLengthMax = 4096

/** What a client is asked to wait when something cannot be done now, seconds. */
const retryAfterSeconds = '5'

export function createApp({
  ports,
  bodyBytesMax,
  logger,
  openRtb = ownNames,
  streams,
  security,
}: AppOptions): FastifyInstance {
  const app = fastify({
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    bodyLimit: bodyBytesMax,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: paramLengthMax },
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply as never, {
        status: error.statusCode ?? 400,
        title: 'bad request',
        detail: error.message,
      })
    },
  })
  if (security !== undefined) secure(app, security)
  takeJsonAlone(app)
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const problem = problemOf(error, request.id)
    if (problem.status === 503)
      reply.header('retry-after', reply.getHeader('retry-after') ?? retryAfterSeconds)
    if (problem.status >= 500) request.log.error(error)
    return sendProblem(reply, problem)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, {
      status: 404,
      title: 'no such route',
      detail: `${request.method} ${request.url.split('?')[0]} is not part of the API`,
    }),
  )
  app.register(personaRoutes, { ports })
  app.register(userRoutes, { ports })
  app.register(openRtbRoutes, { ports, mapping: openRtb })
  app.register(changeRoutes, { ports, ...(streams === undefined ? {} : { limits: streams }) })
  app.register(audienceRoutes, { ports })
  app.register(quarantineRoutes, { ports })
  app.register(openApiRoutes)
  app.register(eventRoutes, { ports })
  app.register(healthRoutes, { ports })
  app.register(metricsRoutes, { ports })
  if (ports.webhooks !== undefined) app.register(webhookRoutes, { webhooks: ports.webhooks })
  return app
}

/** JSON and nothing else is taken; no body at all is none, whatever its type says: many clients send it with a DELETE. */
function takeJsonAlone(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parse(request, body as string, done),
  )
}

/** What an error is to a client: its own fault, ours until it is tried again, or ours. */
function problemOf(error: Error & { statusCode?: number }, requestId: string): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof TransientError)
    return { status: 503, title: 'not now', detail: `${messageOf(error)}: try again in a while` }
  if (error instanceof LockedError) return { status: 503, title: 'in use', detail: messageOf(error) }
  const status = error.statusCode ?? 500
  if (status < 500) return { status, title: titleOf(status), detail: error.message, request_id: requestId }
  return {
    status,
    title: 'internal error',
    detail: 'an internal error; it was logged with the request id',
    request_id: requestId,
  }
}

function titleOf(status: number): string {
  return status === 413 ? 'body too large' : status === 415 ? 'media type not taken' : 'bad request'
}
