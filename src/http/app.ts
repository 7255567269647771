// The HTTP application: a Fastify instance over ports, apart from the process that listens (serve).
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import type { PersonasAnswer } from '../lookup/answer.ts'
import type { Appended } from '../source/log-appender.ts'
import type { BlockInput } from '../source/log-block.ts'
import { eventRoutes } from './events.ts'
import { healthRoutes } from './health.ts'
import { metricsRoutes, type Truth } from './metrics.ts'
import { personaRoutes } from './personas.ts'
import { sendProblem } from './problem.ts'
import { type WebhookPort, webhookRoutes } from './webhooks.ts'

/** What the API needs: lookups that read, an append that is durable once it resolves, and how things stand. */
export type AppPorts = {
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
}

/** An id of 256 bytes, percent-encoded, with room to be told that it is too long. */
const paramLengthMax = 4096

export function createApp({ ports, bodyBytesMax, logger }: AppOptions): FastifyInstance {
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
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error(error)
    const detail = status >= 500 ? 'an internal error; it was logged with the request id' : error.message
    return sendProblem(reply, {
      status,
      title: status >= 500 ? 'internal error' : 'bad request',
      detail,
      request_id: request.id,
    })
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, {
      status: 404,
      title: 'no such route',
      detail: `${request.method} ${request.url.split('?')[0]} is not part of the API`,
    }),
  )
  app.register(personaRoutes, { ports })
  app.register(eventRoutes, { ports })
  app.register(healthRoutes, { ports })
  app.register(metricsRoutes, { ports })
  if (ports.webhooks !== undefined) app.register(webhookRoutes, { webhooks: ports.webhooks })
  return app
}
