// /v1/webhooks: subscriptions to change events, their dead letters, and a delivery to try them.
import type { FastifyPluginAsync } from 'fastify'
import type { z } from 'zod'
import type {
  WebhookInput,
  WebhookPatch,
  WebhookRotation,
  WebhookView,
} from '../codec/webhook-subscription.ts'
import { FatalError, UsageError } from '../errors.ts'
import { operations } from './operations.ts'
import { ProblemError } from './problem.ts'
import { route } from './route.ts'
import type { letterPage, replayed, tried } from './schemas-webhooks.ts'

type WithSecret = { readonly webhook: WebhookView; readonly secret: string }
/** What the routes need: undefined (or false) where there is no such webhook; UsageError for what is refused, and why. */
export type WebhookPort = {
  create(input: WebhookInput): WithSecret
  list(): WebhookView[]
  get(id: string): WebhookView | undefined
  patch(id: string, patch: WebhookPatch): WebhookView | undefined
  remove(id: string): boolean
  rotate(id: string, rotation: WebhookRotation): WithSecret | undefined
  deadLetters(
    id: string,
    page: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): z.infer<typeof letterPage>['dead_letters'] | undefined
  replay(id: string, options: { readonly limit?: number | undefined }): z.infer<typeof replayed> | undefined
  test(id: string): Promise<z.infer<typeof tried> | undefined>
}

export const webhookRoutes: FastifyPluginAsync<{ webhooks: WebhookPort }> = async (app, { webhooks }) => {
  app.setErrorHandler((error, request) => {
    throw refusalOf(error, (cause) =>
      request.log.error({ err: cause, route: request.routeOptions.url }, 'a request failed'),
    )
  })

  route(app, operations.createWebhook, ({ body, reply }) => {
    const { webhook, secret } = webhooks.create(body)
    return reply
      .code(201)
      .header('location', `/v1/webhooks/${webhook.id}`)
      .send({ ...webhook, secret })
  })
  route(app, operations.listWebhooks, () => ({ webhooks: webhooks.list() }))
  route(app, operations.getWebhook, ({ params: { id } }) => known(webhooks.get(id)))
  route(app, operations.patchWebhook, ({ params: { id }, body }) => known(webhooks.patch(id, body)))
  route(app, operations.removeWebhook, ({ params: { id }, reply }) => {
    known(webhooks.remove(id) || undefined)
    return reply.code(204).send()
  })
  route(app, operations.rotateWebhook, ({ params: { id }, body }) => {
    const { webhook, secret } = known(webhooks.rotate(id, body))
    return { ...webhook, secret }
  })
  route(app, operations.getDeadLetters, ({ params: { id }, query }) => {
    const letters = known(webhooks.deadLetters(id, query))
    return { dead_letters: letters, next: letters.at(-1)?.cursor ?? null }
  })
  route(app, operations.replayDeadLetters, ({ params: { id }, body }) => known(webhooks.replay(id, body)))
  route(app, operations.testWebhook, async ({ params: { id } }) => known(await webhooks.test(id)))
}

/** What the administration refuses is 422; what the disk does not take is tried again; the rest is as everywhere. */
function refusalOf(error: unknown, log: (error: unknown) => void): unknown {
  if (error instanceof UsageError)
    return new ProblemError({ status: 422, title: 'webhook refused', detail: error.message })
  if (!(error instanceof FatalError)) return error
  log(error)
  return new ProblemError({
    status: 503,
    title: 'not stored',
    detail: 'webhooks could not be written to disk, and nothing was changed: `kindred doctor` says why',
  })
}

function known<T>(found: T | undefined): T {
  if (found !== undefined) return found
  throw new ProblemError({
    status: 404,
    title: 'no such webhook',
    detail: 'GET /v1/webhooks lists those there are',
  })
}
