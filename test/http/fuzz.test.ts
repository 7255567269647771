// Requests from the OpenAPI document and from garbage: none is answered with 5xx, and what is answered is described.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { withApi } from '../support/api.ts'
import { oddIds } from '../support/bad-records.ts'
import { purchases } from '../support/events.ts'
import { assertAnswer, document } from '../support/openapi.ts'
import { type RawBody, type RawReply, rawClient } from '../support/raw-http.ts'

const seed = 20250407
const requestsOfDocument = 2500
const requestsOfGarbage = 1000

type Parameter = { readonly name: string; readonly in: string }
type Operation = { readonly parameters?: readonly Parameter[]; readonly requestBody?: object }
type Request = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly body: RawBody | undefined
  readonly headers: Record<string, string>
}

const text = fc.oneof(
  fc.constantFrom(
    'u0',
    'shopper-00001',
    '0',
    '1',
    '7',
    '1000',
    '-1',
    '1e9',
    '',
    'null',
    'json',
    'gexf',
    'graph',
    ...oddIds,
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ maxLength: 300 }),
  fc.nat().map(String),
)
const escaped = text.map((value) => (value.isWellFormed() ? encodeURIComponent(value) : '%ed%a0%80'))
/** Escapes as they should be, and as they should not. */
const inPath = fc.oneof(
  { weight: 6, arbitrary: escaped },
  {
    weight: 1,
    arbitrary: fc.constantFrom('%', '%zz', '%ff', '%c0%af', '..', '.', '%2e%2e', '*', ':id', 'a%00b'),
  },
)
const header = fc.stringMatching(/^[ -~]{0,20}$/)
const json = fc.oneof(
  fc.record({ user_ids: fc.array(text, { maxLength: 5 }) }),
  fc.constant(purchases(2)),
  fc.jsonValue(),
)
const body: fc.Arbitrary<RawBody | undefined> = fc.oneof(
  json.map((value) => ({ bytes: JSON.stringify(value) })),
  fc.record({
    bytes: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.string()),
    type: fc.constantFrom(
      'application/json',
      'application/x-ndjson',
      'text/plain',
      'x',
      'multipart/form-data',
    ),
  }),
  fc.constant(undefined),
)

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    path,
    method: method.toUpperCase(),
    operation: operation as unknown as Operation,
  })),
)

const ofDocument: fc.Arbitrary<Request & { readonly described: string }> = fc
  .constantFrom(...operations)
  .chain(({ path, method, operation: { parameters = [], requestBody } }) => {
    const some = (place: string, value: fc.Arbitrary<string>) =>
      fc.record(
        Object.fromEntries(parameters.filter((of) => of.in === place).map(({ name }) => [name, value])),
        { requiredKeys: [] },
      )
    return fc
      .record({
        part: inPath,
        query: some('query', escaped),
        headers: some('header', header),
        body: requestBody === undefined ? fc.constant(undefined) : body,
      })
      .map(({ part, query, headers, body: sent }) => ({
        method,
        described: path,
        path: path.replace(/\{\w+\}/, () => part),
        query: Object.entries(query)
          .map(([name, value]) => `${name}=${value}`)
          .join('&'),
        headers: headers as Record<string, string>,
        body: sent,
      }))
  })

const ofGarbage: fc.Arbitrary<Request> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'),
  path: fc
    .array(fc.oneof(inPath, fc.constantFrom('v1', 'users', 'changes', 'personas', 'openrtb')), {
      maxLength: 6,
    })
    .map((parts) => `/${parts.join('/')}`),
  query: escaped,
  headers: fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), header, { maxKeys: 3 }),
  body,
})

describe('fuzz', () => {
  it('from the document: every answer is below 500 and as it is described', () =>
    withApi({ broken: ['{'] }, async ({ app }) => {
      await using client = await rawClient(app)
      const seen = new Map<string, number>()
      await fc.assert(
        fc.asyncProperty(ofDocument, async ({ described, ...request }) => {
          const reply = await send(client, request)
          const status = String(reply.status)
          seen.set(status, (seen.get(status) ?? 0) + 1)
          assert.ok(reply.status < 500, `${status}: ${reply.body}`)
          if (isThePath(described, request.path))
            assertAnswer({ method: request.method, path: described }, { ...reply, statusCode: reply.status })
        }),
        { numRuns: requestsOfDocument, seed },
      )
      for (const status of ['200', '202', '400', '404', '410', '415'])
        assert.ok(
          (seen.get(status) ?? 0) > 0,
          `some are answered with ${status}: ${JSON.stringify([...seen])}`,
        )
    }))

  it('from garbage: every answer is below 500, and the service is as it was', () =>
    withApi({}, async ({ app, ports }) => {
      await using client = await rawClient(app)
      await fc.assert(
        fc.asyncProperty(ofGarbage, async (request) => {
          const reply = await send(client, request)
          assert.ok(reply.status < 500, `${reply.status}: ${reply.body}`)
        }),
        { numRuns: requestsOfGarbage, seed },
      )
      assert.ok(ports.lookUp('shopper-00001') !== undefined)
    }))
})

function send(
  client: { send(...request: [string, string, RawBody?, Record<string, string>?]): Promise<RawReply> },
  { method, path, query, body: sent, headers }: Request,
): Promise<RawReply> {
  return client.send(method, query === '' ? path : `${path}?${query}`, sent, headers)
}

/** Whether the router takes the path for this one: a part may be empty, a step up, or not decodable. */
function isThePath(described: string, path: string): boolean {
  const [parts, given] = [described.split('/'), path.split('/')]
  return (
    parts.length === given.length &&
    parts.every(
      (part, i) => part === given[i] || (part.startsWith('{') && given[i] !== '' && decodes(given[i]!)),
    )
  )
}

function decodes(part: string): boolean {
  try {
    decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}
