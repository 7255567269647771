// Requests to the API from its OpenAPI document: for each operation such as it takes and such as it does not, by callers
// with and without the right to.
import fc from 'fast-check'
import { document } from './openapi.ts'
import type { Wire } from './pipelined.ts'
import { type Known, refusedBodies, refusedTexts, type Schema, taken } from './schema-values.ts'

type Parameter = {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly schema: Schema
}
export type DocumentedOperation = {
  readonly path: string
  readonly method: string
  readonly scope: string | undefined
  readonly parameters: readonly Parameter[]
  readonly body: { readonly type: string; readonly schema: Schema; readonly required: boolean } | undefined
}

export type Caller = {
  readonly name: string
  /** The Authorization header; none for undefined. */
  readonly authorization: string | undefined
  readonly scopes: readonly string[]
}

export type ApiRequest = Wire & {
  readonly operation: DocumentedOperation
  readonly caller: Caller
  /** Whether the caller may ask this. */
  readonly may: boolean
  /** Whether the document says that it is taken, or that it is not. */
  readonly fits: boolean
}

export const operations: readonly DocumentedOperation[] = Object.entries(document.paths).flatMap(
  ([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const { security, parameters, requestBody } = operation as unknown as {
        security: readonly { token?: readonly string[] }[]
        parameters?: readonly Parameter[]
        requestBody?: { required: boolean; content: Record<string, { schema: Schema }> }
      }
      const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? []
      return {
        path,
        method: method.toUpperCase(),
        scope: security[0]?.token?.[0],
        parameters: parameters ?? [],
        body:
          type === undefined || requestBody === undefined
            ? undefined
            : { type, schema: media!.schema, required: requestBody.required },
      }
    }),
)

/** Each value as it was given; `undefined` for none. */
type Given = Readonly<Record<string, unknown>>

export function requestsOf(
  known: Omit<Known, 'schemas'>,
  { callers, weightOf }: { callers: readonly Caller[]; weightOf: (operation: DocumentedOperation) => number },
): fc.Arbitrary<ApiRequest> {
  const all: Known = { ...known, schemas: document.components.schemas }
  return fc.oneof(
    ...operations
      .map((operation) => ({ weight: weightOf(operation), arbitrary: requestTo(operation, all, callers) }))
      .filter(({ weight }) => weight > 0),
  )
}

function requestTo(
  operation: DocumentedOperation,
  known: Known,
  callers: readonly Caller[],
): fc.Arbitrary<ApiRequest> {
  const { parameters, body, scope } = operation
  const wrong = parameters.flatMap(({ name, schema }) =>
    refusedTexts(schema, known).map((text) => ({ [name]: text })),
  )
  const given = fc.record(
    Object.fromEntries(parameters.map(({ name, schema }) => [name, taken(schema, known, name)])),
    { requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name) },
  ) as fc.Arbitrary<Given>
  const sent = body === undefined ? fc.constant(undefined) : taken(body.schema, known)
  const fitting = fc.record({
    given,
    sent: body?.required === false ? fc.option(sent, { nil: undefined }) : sent,
    fits: fc.constant(true),
  })
  const others: fc.Arbitrary<{ given: Given; sent: unknown; fits: boolean }>[] = []
  if (wrong.length > 0)
    others.push(
      fc
        .tuple(given, fc.constantFrom(...wrong), sent)
        .map(([some, spoiled, same]) => ({ given: { ...some, ...spoiled }, sent: same, fits: false })),
    )
  if (body !== undefined)
    others.push(
      fc
        .tuple(given, refusedBodies(body.schema, known))
        .map(([some, spoiled]) => ({ given: some, sent: spoiled, fits: false })),
    )
  const content = fc.oneof({ weight: 3, arbitrary: fitting }, ...others)
  return fc
    .tuple(content, fc.constantFrom(...callers))
    .map(([{ given: values, sent: payload, fits }, caller]) => ({
      operation,
      caller,
      may: scope === undefined || caller.scopes.includes(scope) || caller.scopes.includes('admin'),
      fits,
      method: operation.method,
      bytes: bytesOf(operation, { given: values, payload, caller }),
    }))
}

/** What no header field holds (RFC 9110 §5.5). */
const notInField = /[^\t\x20-\x7e\x80-\u{10ffff}]/gu

function bytesOf(
  { method, path, parameters, body }: DocumentedOperation,
  { given, payload, caller }: { given: Given; payload: unknown; caller: Caller },
): Buffer {
  const of = (place: Parameter['in']) =>
    parameters.filter((parameter) => parameter.in === place && given[parameter.name] !== undefined)
  const target = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(given[name])))
  const query = of('query')
    .flatMap(({ name }) =>
      [given[name]].flat().map((value) => `${name}=${encodeURIComponent(String(value))}`),
    )
    .join('&')
  const text = payload === undefined ? '' : JSON.stringify(payload)
  const lines = [
    `${method} ${target}${query === '' ? '' : `?${query}`} HTTP/1.1`,
    'Host: shop',
    ...(caller.authorization === undefined ? [] : [`Authorization: ${caller.authorization}`]),
    ...of('header').map(({ name }) => `${name}: ${String(given[name]).replaceAll(notInField, '')}`),
    ...(body === undefined || payload === undefined
      ? []
      : [`Content-Type: ${body.type}`, `Content-Length: ${Buffer.byteLength(text)}`]),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body === undefined ? '' : text}`)
}
