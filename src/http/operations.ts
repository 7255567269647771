// The route table: every operation with what it takes and what it answers. Routes are made from it (route.ts), and so is
// the OpenAPI document (openapi.ts).
import { z } from 'zod'
import { webhookOperations } from './operations-webhooks.ts'
import * as s from './schemas.ts'

/** Rows of one page, greatest and default. */
export const pageMax = 1000
const pageDefault = 100
/** Quarantined records of one page. */
export const quarantinePageMax = 100
/** The longest deadline that is waited for, ms. */
export const deadlineMsMax = 60_000
/** Personas that one stream is filtered by. */
export const streamPersonasMax = 256

export type Answer = {
  readonly description: string
  readonly schema?: z.ZodType
  /** Media types; JSON where there is a schema and nothing is said. */
  readonly types?: readonly string[]
  /** Headers that it has beside those of every answer. */
  readonly headers?: readonly ('etag' | 'location')[]
}
export type Operation = {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** As Fastify writes it: `:id` is a parameter. */
  readonly path: string
  readonly tag: 'users' | 'changes' | 'personas' | 'ad tech' | 'events' | 'webhooks' | 'upkeep'
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  /** There is a second form without the id in the path, which takes it as a query parameter: any client can send any id so. */
  readonly idInQuery?: true
  readonly query?: z.ZodObject
  readonly headers?: z.ZodObject
  /** `optional`: none at all stands for an empty object. */
  readonly body?: {
    readonly schema: z.ZodType
    readonly types?: readonly string[]
    readonly optional?: true
  }
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses that come as a problem, with what they mean here. */
  readonly problems: Readonly<Record<number, string>>
}

const user = z.object({ id: s.opaqueId('user id') })
const invalid = { 400: 'what is wrong with the request' } as const
const unseen = { 404: 'user never seen, or erased' } as const
const busy = { 503: 'cannot be done now: try again after Retry-After' } as const
const after = s.whole(0, Number.MAX_SAFE_INTEGER).optional().describe('cursor: what comes behind it')
const limit = s.whole(1, pageMax).default(pageDefault).describe('rows of the page at the most')
const gone = {
  410: 'what lies behind the cursor is not kept any more: read the answers anew, and go on from the newest cursor',
} as const
const deadline = s
  .whole(0, deadlineMsMax)
  .optional()
  .describe(
    'ms from when the service reads the request, past which the answer is an empty one of status unknown; what the request waited before, in the network or in the socket of a busy process, is not known to it',
  )
const personaNames = z
  .union([z.string().min(1), z.array(z.string().min(1)).max(streamPersonasMax)])
  .optional()
  .describe(
    'only changes in which one of these was entered, left, or became or was the primary; may be repeated',
  )

export const operations = {
  getPersonas: {
    id: 'getPersonas',
    method: 'GET',
    path: '/v1/users/:id/personas',
    tag: 'users',
    summary: 'Who is this user?',
    idInQuery: true,
    params: user,
    answers: { 200: { description: 'what is held', schema: s.personasAnswer } },
    problems: { ...invalid, ...unseen },
  },
  getPersonasBatch: {
    id: 'getPersonasBatch',
    method: 'POST',
    path: '/v1/users/personas',
    tag: 'users',
    summary: 'Who are these users?',
    body: { schema: s.userIds },
    answers: {
      200: { description: 'an entry an id; `found` says who was never seen', schema: s.personasBatch },
    },
    problems: { ...invalid, 413: 'the body is too large', 415: 'the body is not JSON' },
  },
  getExplanation: {
    id: 'getExplanation',
    method: 'GET',
    path: '/v1/users/:id/explanation',
    tag: 'users',
    summary: 'Why is this user answered so?',
    idInQuery: true,
    params: user,
    query: z.object({
      format: z
        .enum(['json', 'graph', 'gexf'])
        .default('json')
        .describe('json; or the graph of its paths, as graphology serialises it or as GEXF'),
    }),
    answers: {
      200: {
        description: 'the explanation, or its graph as JSON or GEXF',
        schema: z.union([s.explanation, s.graph]),
        types: ['application/json', 'application/gexf+xml'],
      },
    },
    problems: { ...invalid, ...unseen },
  },
  getUserChanges: {
    id: 'getUserChanges',
    method: 'GET',
    path: '/v1/users/:id/changes',
    tag: 'users',
    summary: 'The change events of this user that are kept, newest last',
    idInQuery: true,
    params: user,
    query: z.object({ after, limit }),
    answers: { 200: { description: 'a page', schema: s.changePage } },
    problems: { ...invalid, ...unseen },
  },
  eraseUser: {
    id: 'eraseUser',
    method: 'DELETE',
    path: '/v1/users/:id',
    tag: 'users',
    summary: 'Erase a user',
    description:
      'A record in the log, on disk when this answers; lookups answer 404 from then on. A user that was never seen can be erased, too: records of theirs may be on their way.',
    idInQuery: true,
    params: user,
    answers: {
      200: { description: 'erased', schema: s.erasureReceipt },
      202: { description: 'on disk, not applied yet', schema: s.erasureReceipt },
    },
    problems: { ...invalid, ...busy },
  },
  getOpenRtb: {
    id: 'getOpenRtb',
    method: 'GET',
    path: '/v1/users/:id/openrtb',
    tag: 'ad tech',
    summary: 'user.data[] of OpenRTB 2.6',
    description: 'What is known has an ETag; with If-None-Match it is 304 as long as it is the same.',
    idInQuery: true,
    params: user,
    query: z.object({ deadline_ms: deadline }),
    headers: z.object({
      'x-deadline-ms': deadline,
      'if-none-match': z.string().optional().describe('tags of answers that are at hand, of ETag; or *'),
    }),
    answers: {
      200: {
        description: 'what is known, or an empty answer of status unknown',
        schema: s.openrtbUser,
        headers: ['etag'],
      },
      304: { description: 'it is as the tag says', headers: ['etag'] },
    },
    problems: { ...invalid, ...unseen },
  },
  getOpenRtbBatch: {
    id: 'getOpenRtbBatch',
    method: 'POST',
    path: '/v1/users/openrtb',
    tag: 'ad tech',
    summary: 'user.data[] of OpenRTB 2.6, of many users',
    query: z.object({ deadline_ms: deadline }),
    headers: z.object({ 'x-deadline-ms': deadline }),
    body: { schema: s.userIds },
    answers: {
      200: {
        description:
          'an entry an id; those not read by the deadline are unknown. No entry at all: the body had not come by then',
        schema: s.openrtbBatch,
      },
    },
    problems: { ...invalid, 413: 'the body is too large', 415: 'the body is not JSON' },
  },
  getChanges: {
    id: 'getChanges',
    method: 'GET',
    path: '/v1/changes',
    tag: 'changes',
    summary: 'Change events behind a cursor, oldest first',
    description: 'Without `after`: from the oldest that is kept. 0 is before the first change ever.',
    query: z.object({ after, limit }),
    answers: { 200: { description: 'a page', schema: s.changePage } },
    problems: { ...invalid, ...gone },
  },
  streamChanges: {
    id: 'streamChanges',
    method: 'GET',
    path: '/v1/changes/stream',
    tag: 'changes',
    summary: 'Change events as they come (server-sent events)',
    description:
      'The id of each is its cursor: who reconnects with Last-Event-ID (or `after`) misses none. Begins at now without. Who does not read for ten seconds is cut.',
    query: z.object({ after, persona: personaNames }),
    headers: z.object({ 'last-event-id': after }),
    answers: { 200: { description: 'data: a PersonaChange', types: ['text/event-stream'] } },
    problems: { ...invalid, ...gone, ...busy },
  },
  getPersonaSet: {
    id: 'getPersonaSet',
    method: 'GET',
    path: '/v1/personas',
    tag: 'personas',
    summary: 'The persona set, with how many users hold each, and base rates',
    description: 'Users are counted every few seconds at the most.',
    answers: { 200: { description: 'the active set', schema: s.personaSet } },
    problems: { ...busy },
  },
  getAudience: {
    id: 'getAudience',
    method: 'GET',
    path: '/v1/personas/:name/users',
    tag: 'personas',
    summary: 'Who holds this persona, most probable first',
    idInQuery: true,
    params: z.object({ name: z.string().min(1).describe('of the persona; percent-encoded') }),
    query: z.object({ after: s.audienceCursor.optional().describe('`next` of the page before'), limit }),
    answers: { 200: { description: 'a page', schema: s.audience } },
    problems: { ...invalid, 404: 'no such persona in the active set', ...busy },
  },
  getProduct: {
    id: 'getProduct',
    method: 'GET',
    path: '/v1/products/:id',
    tag: 'personas',
    summary: 'Who buys this product?',
    idInQuery: true,
    params: z.object({ id: s.opaqueId('product id') }),
    answers: { 200: { description: 'its buyers, as far as labelled users say', schema: s.product } },
    problems: { ...invalid, 404: 'product never seen' },
  },
  postEvents: {
    id: 'postEvents',
    method: 'POST',
    path: '/v1/events',
    tag: 'events',
    summary: 'Events, taken whole or not at all, on disk when acknowledged',
    body: {
      schema: z
        .union([s.shopEvent, z.array(s.shopEvent).min(1).max(s.eventsMax)])
        .describe('one event, or a list of them; lines of them as NDJSON'),
      types: ['application/json', 'application/x-ndjson', 'application/ndjson'],
    },
    answers: { 202: { description: 'on disk', schema: s.accepted } },
    problems: {
      400: 'what is wrong with which event; none was taken',
      413: 'the body is too large',
      415: 'neither JSON nor NDJSON',
      503: 'too much waits, or the disk is full: send again after Retry-After',
    },
  },
  ...webhookOperations,
  getQuarantine: {
    id: 'getQuarantine',
    method: 'GET',
    path: '/v1/quarantine',
    tag: 'upkeep',
    summary: 'Records that could not be applied',
    query: z.object({
      from: s.whole(0, Number.MAX_SAFE_INTEGER).default(0).describe('records of this id and behind it'),
      limit: s
        .whole(1, quarantinePageMax)
        .default(quarantinePageMax)
        .describe('records of the page at the most'),
    }),
    answers: { 200: { description: 'a page', schema: s.quarantinePage } },
    problems: { ...invalid },
  },
  replayQuarantined: {
    id: 'replayQuarantined',
    method: 'POST',
    path: '/v1/quarantine/:id/replay',
    tag: 'upkeep',
    summary: 'Try a quarantined record again',
    params: z.object({
      id: s.whole(0, Number.MAX_SAFE_INTEGER).describe('of the record, as the list has it'),
    }),
    answers: {
      200: { description: 'tried', schema: s.replayReceipt },
      202: { description: 'on disk, not tried yet', schema: s.replayReceipt },
    },
    problems: { ...invalid, 404: 'not in quarantine', ...busy },
  },
  getHealth: {
    id: 'getHealth',
    method: 'GET',
    path: '/healthz',
    tag: 'upkeep',
    summary: 'The process answers',
    answers: { 200: { description: 'it does', schema: z.object({ status: z.literal('ok') }) } },
    problems: {},
  },
  getReadiness: {
    id: 'getReadiness',
    method: 'GET',
    path: '/readyz',
    tag: 'upkeep',
    summary: 'The process may be sent requests',
    description:
      'A process with `--role lookup` is ready while it can read, be it that nothing is ingested: `ingest_problem` and `behind_ms` say so.',
    answers: { 200: { description: 'it may', schema: s.readiness } },
    problems: { 503: 'why it may not' },
  },
  getMetrics: {
    id: 'getMetrics',
    method: 'GET',
    path: '/metrics',
    tag: 'upkeep',
    summary: 'For Prometheus',
    answers: { 200: { description: 'metrics', types: ['text/plain'] } },
    problems: {},
  },
  getOpenApi: {
    id: 'getOpenApi',
    method: 'GET',
    path: '/openapi.json',
    tag: 'upkeep',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1', types: ['application/json'] } },
    problems: {},
  },
  getDocs: {
    id: 'getDocs',
    method: 'GET',
    path: '/docs',
    tag: 'upkeep',
    summary: 'This document as a page',
    answers: { 200: { description: 'HTML', types: ['text/html'] } },
    problems: {},
  },
} as const satisfies Record<string, Operation>

/** All of them, with the forms that have the id in the query. */
export function allOperations(): Operation[] {
  return (Object.values(operations) as Operation[]).flatMap((operation) =>
    operation.idInQuery === true ? [operation, idInQuery(operation)] : [operation],
  )
}

function idInQuery({ params, query, ...operation }: Operation): Operation {
  return {
    ...operation,
    id: `${operation.id}ByQuery`,
    path: pathWithoutId(operation.path),
    summary: `${operation.summary} (the id in the query)`,
    query: z.object({ ...params?.shape, ...query?.shape }),
  }
}

/** /v1/users/:id/personas → /v1/users/personas */
export function pathWithoutId(path: string): string {
  return path.replace(/\/:\w+/, '')
}
