// The part of the route table that is about webhooks.
import type { Operation } from './operations.ts'
import * as s from './schemas-webhooks.ts'

const invalid = { 400: 'what is wrong with the request' } as const
const unknown = { 404: 'no such webhook' } as const
const refused = { 422: 'the URL is not allowed, or there are too many: what to do about it' } as const
const busy = { 503: 'cannot be done now: try again after Retry-After' } as const
const body = { 413: 'the body is too large', 415: 'the body is not JSON' } as const
const by = { tag: 'webhooks', params: s.webhookId } as const

export const webhookOperations = {
  createWebhook: {
    id: 'createWebhook',
    method: 'POST',
    path: '/v1/webhooks',
    tag: 'webhooks',
    summary: 'Subscribe a receiver to changes',
    description: 'Changes from now on are for it. The secret that signs is shown by this answer alone.',
    body: { schema: s.webhookInput },
    answers: { 201: { description: 'made', schema: s.webhookMade, headers: ['location'] } },
    problems: { ...invalid, ...body, ...refused, ...busy },
  },
  listWebhooks: {
    id: 'listWebhooks',
    method: 'GET',
    path: '/v1/webhooks',
    tag: 'webhooks',
    summary: 'Every subscription',
    answers: { 200: { description: 'all of them', schema: s.webhookList } },
    problems: {},
  },
  getWebhook: {
    id: 'getWebhook',
    method: 'GET',
    path: '/v1/webhooks/:id',
    ...by,
    summary: 'One subscription, and how it stands',
    answers: { 200: { description: 'the subscription', schema: s.webhookView } },
    problems: { ...invalid, ...unknown },
  },
  patchWebhook: {
    id: 'patchWebhook',
    method: 'PATCH',
    path: '/v1/webhooks/:id',
    ...by,
    summary: 'Change where it goes, what it is told of, or whether it is active',
    body: { schema: s.webhookPatch },
    answers: { 200: { description: 'as it is now', schema: s.webhookView } },
    problems: { ...invalid, ...unknown, ...body, ...refused, ...busy },
  },
  removeWebhook: {
    id: 'removeWebhook',
    method: 'DELETE',
    path: '/v1/webhooks/:id',
    ...by,
    summary: 'End a subscription, with all that waits for it',
    answers: { 204: { description: 'it is gone' } },
    problems: { ...invalid, ...unknown, ...busy },
  },
  rotateWebhook: {
    id: 'rotateWebhook',
    method: 'POST',
    path: '/v1/webhooks/:id/rotate',
    ...by,
    summary: 'A new secret; the one before signs beside it for a while',
    body: { schema: s.webhookRotation, optional: true },
    answers: { 200: { description: 'the new secret, shown here alone', schema: s.webhookMade } },
    problems: { ...invalid, ...unknown, ...body, ...busy },
  },
  getDeadLetters: {
    id: 'getDeadLetters',
    method: 'GET',
    path: '/v1/webhooks/:id/dead-letters',
    ...by,
    summary: 'What could not be delivered',
    query: s.letterQuery,
    answers: { 200: { description: 'a page', schema: s.letterPage } },
    problems: { ...invalid, ...unknown },
  },
  replayDeadLetters: {
    id: 'replayDeadLetters',
    method: 'POST',
    path: '/v1/webhooks/:id/dead-letters/replay',
    ...by,
    summary: 'Put the oldest dead letters back into the queue, as far as it has room',
    body: { schema: s.replayInput, optional: true },
    answers: { 200: { description: 'how many', schema: s.replayed } },
    problems: { ...invalid, ...unknown, ...body, ...busy },
  },
  testWebhook: {
    id: 'testWebhook',
    method: 'POST',
    path: '/v1/webhooks/:id/test',
    ...by,
    summary: 'Send one signed test event now',
    answers: { 200: { description: 'what came of it', schema: s.tried } },
    problems: { ...invalid, ...unknown, ...busy },
  },
} as const satisfies Record<string, Operation>
