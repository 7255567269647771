// A route from its operation: what the schemas do not take is answered with a problem before the handler sees it.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { type Operation, pathWithoutId } from './operations.ts'
import { ProblemError } from './problem.ts'

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined
export type Input<O extends Operation> = {
  readonly params: Parsed<O['params']>
  readonly query: Parsed<O['query']>
  readonly headers: Parsed<O['headers']>
  readonly body: O['body'] extends { schema: infer S } ? Parsed<S> : undefined
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}
export type RouteOptions = { readonly bodyLimit?: number; readonly exposeHeadRoute?: boolean }

/** Registers the operation; `handler` returns the body, or the reply that it has sent. */
export function route<O extends Operation>(
  app: FastifyInstance,
  operation: O,
  handler: (input: Input<O>) => unknown,
  options: RouteOptions = {},
): void {
  const { method, path: url } = operation
  app.route({
    method,
    url,
    ...options,
    handler: (request, reply) =>
      handler(inputOf(operation, { params: request.params, place: 'path', request, reply })),
  })
  if (operation.idInQuery === true) routeByQuery(app, operation, handler, options)
}

/** Registers the form that has the id in the query. */
export function routeByQuery<O extends Operation>(
  app: FastifyInstance,
  operation: O,
  handler: (input: Input<O>) => unknown,
  options: RouteOptions = {},
): void {
  app.route({
    method: operation.method,
    url: pathWithoutId(operation.path),
    ...options,
    handler: (request, reply) =>
      handler(inputOf(operation, { params: request.query, place: 'query', request, reply })),
  })
}

type Given = Pick<Input<Operation>, 'request' | 'reply'> & {
  /** Where the id comes from. */
  readonly params: unknown
  readonly place: 'path' | 'query'
}

function inputOf<O extends Operation>(operation: O, { params, place, request, reply }: Given): Input<O> {
  const { body } = operation
  if (operation.query !== undefined || place === 'query') checkQuery(request)
  const parsed = {
    params: parse(operation.params, params, place),
    query: parse(operation.query, request.query, 'query'),
    headers: parse(operation.headers, request.headers, 'header'),
    body: parse(body?.schema, body?.optional === true ? (request.body ?? {}) : request.body, 'body'),
    request,
    reply,
  }
  return parsed as Input<O>
}

/** Throws ProblemError (400) for escapes that are no UTF-8: the parser of queries would take them as they stand. */
function checkQuery({ url }: FastifyRequest): void {
  const from = url.indexOf('?')
  if (from < 0 || !url.includes('%', from)) return
  try {
    decodeURIComponent(url.slice(from))
  } catch {
    throw new ProblemError({
      status: 400,
      title: 'request not valid',
      detail: 'query: it is not percent-encoded UTF-8; escape each byte of a value as %XX',
    })
  }
}

/** Throws ProblemError (400) that names each place and what is wrong there. */
function parse(schema: z.ZodType | undefined, value: unknown, place: string): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.slice(0, problemsShown).map(({ path, message }) => ({
    in: place,
    at: path.map(String).join('.'),
    cause: message,
  }))
  const first = problems[0]!
  throw new ProblemError({
    status: 400,
    title: 'request not valid',
    detail: `${place}${first.at === '' ? '' : ` ${first.at}`}: ${first.cause}; mend it and send it again (/docs says what is taken)`,
    problems,
  })
}

const problemsShown = 20
