// The OpenAPI 3.1 document, generated from the route table and its schemas; and the routes that show it.
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import { docsPage } from './docs.ts'
import { type Answer, allOperations, type Operation, operations } from './operations.ts'
import { servedBy } from './roles.ts'
import { changeEvent, named, problem, taken } from './schemas.ts'
import { cloudEvent, segmentCall } from './schemas-webhooks.ts'
import { scopeOf } from './security.ts'

type Json = { readonly [name: string]: unknown }
export type OpenApiDocument = {
  readonly openapi: string
  readonly info: Json
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>
  readonly webhooks: Readonly<Record<string, Readonly<Record<string, Json>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Json>>
    readonly headers: Readonly<Record<string, Json>>
    readonly securitySchemes: Readonly<Record<string, Json>>
  }
}

const tags = {
  users: 'One shopper, or a batch of them.',
  'ad tech': 'What a bidder reads inside a bid.',
  changes: 'What changed, as a feed.',
  personas: 'The persona set, who holds what, and products.',
  events: 'What shoppers do.',
  webhooks: 'Changes sent to receivers, signed by Standard Webhooks.',
  upkeep: 'How the service is.',
} as const satisfies Record<Operation['tag'], string>

export function openApiDocument(): OpenApiDocument {
  const paths: Record<string, Record<string, Json>> = {}
  for (const operation of allOperations()) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: operationOf(operation) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Kindred',
      version: '1.0.0',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'Tells a shop who its shoppers are, while they shop. Errors are problem details (RFC 9457). Ids are opaque and percent-encoded in paths; `.` and `..`, which many clients take for steps of a path, go in the query: each route with an id has a form for that.',
    },
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    webhooks: { personaChange: { post: personaChange() } },
    components: { schemas: componentsOf(), headers, securitySchemes: { token } },
  }
}

/** Made by `kindred tokens add`; where there is none yet, on loopback, nobody is asked for one. */
const token: Json = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A token of `kindred tokens add`, with the scope that the operation names (admin may do everything). On loopback none is asked for until there is one.',
}

const header = (description: string, type: 'string' | 'integer' = 'string') => ({
  description,
  schema: { type },
})
/** Of answers, by name; those of `required` are on each answer that has them at all. */
const headers = {
  'x-request-id': {
    ...header('the id of the request: its own where that was well-formed; the log speaks of it by this'),
    required: true,
  },
  'x-kindred-stale': header('only when the answer may be older than what was accepted: behind, or down'),
  age: header('with x-kindred-stale: how far it is behind, s', 'integer'),
  etag: header('which answer it is; not of one that is empty because of the deadline'),
  location: { ...header('where it stands'), required: true },
  'retry-after': { ...header('when to send it again, s', 'integer'), required: true },
  'www-authenticate': { ...header('what is asked for (RFC 6750)'), required: true },
} as const satisfies Record<string, Json>
type HeaderName = keyof typeof headers

const ofProblems: Readonly<Record<string, readonly HeaderName[]>> = {
  401: ['www-authenticate'],
  403: ['www-authenticate'],
  429: ['retry-after'],
  503: ['retry-after'],
}

function headersOf(names: readonly HeaderName[]): Json {
  return Object.fromEntries(
    (['x-request-id', ...names] as const).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  )
}

function componentsOf(): Record<string, Json> {
  const answered = z.toJSONSchema(named, { uri: reference }).schemas
  const sent = z.toJSONSchema(taken, { uri: reference, io: 'input' }).schemas
  return Object.fromEntries(
    Object.entries({ ...answered, ...sent }).map(([name, schema]) => [name, bare(schema)]),
  )
}

function reference(name: string): string {
  return `#/components/schemas/${name}`
}

/** A schema in place, of what is answered, or of a body that is sent: those with a name are referred to. */
function schemaOf(schema: z.ZodType, io: 'output' | 'input' = 'output'): Json {
  const metadata = io === 'output' ? named : taken
  const id = metadata.get(schema)?.id
  if (id !== undefined) return { $ref: reference(id) }
  const { $defs, ...json } = bare(
    z.toJSONSchema(schema, {
      metadata,
      io,
      override({ zodSchema, jsonSchema }) {
        const description = z.globalRegistry.get(zodSchema)?.description
        if (description !== undefined && jsonSchema.$ref === undefined) jsonSchema.description ??= description
      },
    }),
  ) as Json & { $defs?: Json }
  const used = Object.keys($defs ?? {})
  return JSON.parse(JSON.stringify(json), (key, value) =>
    key === '$ref' && used.includes(String(value).slice('#/$defs/'.length))
      ? reference(String(value).slice('#/$defs/'.length))
      : value,
  ) as Json
}

function bare({
  $schema: _schema,
  $id: _id,
  id: _name,
  '~standard': _standard,
  ...rest
}: object & Json): Json {
  return rest
}

function operationOf(operation: Operation): Json {
  const { id, method, path, tag, summary, description, params, query, body, answers, problems } = operation
  const scope = scopeOf(method, path)
  const aged: readonly HeaderName[] = servedBy(operation) === 'lookup' ? ['x-kindred-stale', 'age'] : []
  const parameters = [
    ...parametersOf(params, 'path'),
    ...parametersOf(query, 'query'),
    ...parametersOf(operation.headers, 'header'),
  ]
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    security: scope === undefined ? [] : [{ token: [scope] }],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.optional !== true,
            content: contentOf(body.types ?? ['application/json'], schemaOf(body.schema, 'input')),
          },
        }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([code, answer]) => [code, responseOf(answer, aged)]),
      ),
      ...Object.fromEntries(
        Object.entries(problems).map(([code, says]) => [
          code,
          problemResponse(says, [...aged, ...(ofProblems[code] ?? [])]),
        ]),
      ),
      ...(scope === undefined
        ? {}
        : {
            401: problemResponse('no token, or none of this service', ofProblems[401]),
            403: problemResponse(`a token without the scope ${scope}`, ofProblems[403]),
            429: problemResponse('more requests a second than the token may make', ofProblems[429]),
          }),
      default: problemResponse('an error: what happened and what to do', aged),
    },
  }
}

function parametersOf(object: z.ZodObject | undefined, place: 'path' | 'query' | 'header'): Json[] {
  return Object.entries((object?.shape ?? {}) as Record<string, z.ZodType>).map(([name, schema]) => {
    const { description, ...json } = schemaOf(schema)
    return {
      name,
      in: place,
      required: place === 'path' || !schema.safeParse(undefined).success,
      ...(description === undefined ? {} : { description }),
      schema: json,
    }
  })
}

function responseOf(
  { description, schema, types, headers: own = [] }: Answer,
  aged: readonly HeaderName[],
): Json {
  const media = types ?? (schema === undefined ? [] : ['application/json'])
  const shown = schema === undefined ? undefined : schemaOf(schema)
  return {
    description,
    headers: headersOf([...own, ...aged]),
    ...(media.length === 0 ? {} : { content: contentOf(media, shown) }),
  }
}

/** JSON has the schema; other media are text. */
function contentOf(types: readonly string[], schema: Json | undefined): Json {
  const of = (type: string) =>
    type === 'application/json' ? (schema === undefined ? {} : { schema }) : { schema: { type: 'string' } }
  return Object.fromEntries(types.map((type) => [type, of(type)]))
}

/** What receivers of webhooks are sent, and how their answers are taken. */
function personaChange(): Json {
  const header = (name: string, description: string) => ({
    name,
    in: 'header',
    required: true,
    description,
    schema: { type: 'string' },
  })
  return {
    operationId: 'personaChange',
    tags: ['webhooks'],
    summary: 'A change, to a receiver that subscribed to it: at least once, the changes of a user in order',
    parameters: [
      header('webhook-id', 'the same at each attempt: drop repeats by it'),
      header('webhook-timestamp', 'seconds since 1970 of this attempt'),
      header('webhook-signature', 'v1, and HMAC-SHA256 of id.timestamp.body in base64; one for each secret'),
    ],
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: { anyOf: [schemaOf(changeEvent), schemaOf(segmentCall)] } },
        'application/cloudevents+json': { schema: schemaOf(cloudEvent) },
      },
    },
    responses: {
      '2XX': { description: 'taken' },
      410: { description: 'no more, ever: the subscription is switched off' },
      429: { description: 'later: Retry-After is kept to, of 503 too' },
      default: { description: 'anything else, redirects too: it is tried again' },
    },
  }
}

function problemResponse(description: string, names: readonly HeaderName[] = []): Json {
  return {
    description,
    headers: headersOf(names),
    content: { 'application/problem+json': { schema: schemaOf(problem) } },
  }
}

export const openApiRoutes: FastifyPluginAsync = async (app) => {
  const document = openApiDocument()
  const json = JSON.stringify(document)
  const page = docsPage(document)
  app.get(operations.getOpenApi.path, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(json),
  )
  app.get(operations.getDocs.path, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      // the page is whole as it comes: nothing is run, and nothing is fetched
      .header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      )
      .header('referrer-policy', 'no-referrer')
      .header('cross-origin-resource-policy', 'same-origin')
      .send(page),
  )
}
