// /v1/webhooks: subscriptions to change events, their dead letters, and a delivery to try them.
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { z } from 'zod'
import {
  type WebhookInput,
  type WebhookPatch,
  type WebhookRotation,
  type WebhookView,
  webhookInput,
  webhookPatch,
  webhookRotation,
} from '../codec/webhook-subscription.ts'
import { UsageError } from '../errors.ts'
import { sendProblem } from './problem.ts'

/** What the routes need: undefined (or false) where there is no such webhook; UsageError for what is refused, and why. */
export type WebhookPort = {
  create(input: WebhookInput): { readonly webhook: WebhookView; readonly secret: string }
  list(): readonly WebhookView[]
  get(id: string): WebhookView | undefined
  patch(id: string, patch: WebhookPatch): WebhookView | undefined
  remove(id: string): boolean
  rotate(
    id: string,
    rotation: WebhookRotation,
  ): { readonly webhook: WebhookView; readonly secret: string } | undefined
  deadLetters(
    id: string,
    page: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): readonly { readonly cursor: string }[] | undefined
  replay(
    id: string,
    options: { readonly limit?: number | undefined },
  ): { readonly replayed: number; readonly left: number } | undefined
  test(
    id: string,
  ): Promise<
    { readonly delivered: boolean; readonly status: number | null; readonly error: string | null } | undefined
  >
}

const pageMax = 1000
const letterPage = z.strictObject({
  after: z
    .string()
    .regex(/^\d{16}\/\d{4}$/, 'is the cursor of a dead letter')
    .optional(),
  limit: z.coerce.number().int().min(1).max(pageMax).optional(),
})
const replayInput = z.strictObject({ limit: z.number().int().min(1).max(pageMax).optional() })

type ById = { Params: { id: string } }

export const webhookRoutes: FastifyPluginAsync<{ webhooks: WebhookPort }> = async (app, { webhooks }) => {
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    if (error instanceof UsageError)
      return sendProblem(reply, { status: 422, title: 'webhook refused', detail: error.message })
    if (error instanceof z.ZodError)
      return sendProblem(reply, {
        status: 400,
        title: 'request not valid',
        detail: error.issues
          .map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`)
          .join('; '),
        problems: error.issues.map(({ path, message }) => ({ field: path.join('.'), cause: message })),
      })
    if (error.statusCode !== undefined && error.statusCode < 500)
      return sendProblem(reply, { status: error.statusCode, title: 'bad request', detail: error.message })
    request.log.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    return sendProblem(reply, {
      status: 500,
      title: 'internal error',
      detail: 'an internal error; it was logged with the request id',
    })
  })

  app.post('/v1/webhooks', (request, reply) => {
    const { webhook, secret } = webhooks.create(webhookInput.parse(request.body ?? {}))
    return reply
      .code(201)
      .header('location', `/v1/webhooks/${webhook.id}`)
      .header('cache-control', 'no-store')
      .send({ ...webhook, secret })
  })
  app.get('/v1/webhooks', (_request, reply) => reply.send({ webhooks: webhooks.list() }))
  app.get<ById>('/v1/webhooks/:id', ({ params: { id } }, reply) => answer(reply, webhooks.get(id)))
  app.patch<ById>('/v1/webhooks/:id', ({ params: { id }, body }, reply) =>
    answer(reply, webhooks.patch(id, webhookPatch.parse(body ?? {}))),
  )
  app.delete<ById>('/v1/webhooks/:id', ({ params: { id } }, reply) =>
    webhooks.remove(id) ? reply.code(204).send() : unknown(reply),
  )
  app.post<ById>('/v1/webhooks/:id/rotate', ({ params: { id }, body }, reply) => {
    const rotated = webhooks.rotate(id, webhookRotation.parse(body ?? {}))
    reply.header('cache-control', 'no-store')
    return answer(reply, rotated && { ...rotated.webhook, secret: rotated.secret })
  })
  app.get<ById>('/v1/webhooks/:id/dead-letters', ({ params: { id }, query }, reply) => {
    const letters = webhooks.deadLetters(id, letterPage.parse(query))
    return answer(reply, letters && { dead_letters: letters, next: letters.at(-1)?.cursor ?? null })
  })
  app.post<ById>('/v1/webhooks/:id/dead-letters/replay', ({ params: { id }, body }, reply) =>
    answer(reply, webhooks.replay(id, replayInput.parse(body ?? {}))),
  )
  app.post<ById>('/v1/webhooks/:id/test', async ({ params: { id } }, reply) =>
    answer(reply, await webhooks.test(id)),
  )
}

function answer(reply: FastifyReply, body: object | undefined): FastifyReply {
  return body === undefined ? unknown(reply) : reply.send(body)
}

function unknown(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, {
    status: 404,
    title: 'no such webhook',
    detail: 'GET /v1/webhooks lists those there are',
  })
}
