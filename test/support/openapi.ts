// What the OpenAPI document says of answers, as a check of what is really answered.
import assert from 'node:assert/strict'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { LightMyRequestResponse } from 'fastify'
import { type OpenApiDocument, openApiDocument } from '../../src/http/openapi.ts'

export const document: OpenApiDocument = openApiDocument()

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema(document, 'openapi')

const validators = new Map<string, ValidateFunction>()

type Response = {
  readonly headers?: Readonly<Record<string, object>>
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>
}

/** The document describes this answer of the operation: its status, its headers, its type, and the whole of its body. */
export function assertAnswer(
  { method, path }: { method: string; path: string },
  reply: Pick<LightMyRequestResponse, 'statusCode' | 'headers' | 'body'>,
): void {
  const operation = document.paths[path]?.[method.toLowerCase()] as
    | { responses: Record<string, Response> }
    | undefined
  assert.ok(operation !== undefined, `${method} ${path} is in the document`)
  const code = String(reply.statusCode)
  const which = Object.hasOwn(operation.responses, code) ? code : 'default'
  const shown = `${method} ${path} ${code}: ${reply.body.slice(0, 500)}`
  const { content, headers = {} } = operation.responses[which]!
  for (const [name, { required = false }] of Object.entries(document.components.headers)) {
    const there = reply.headers[name] !== undefined
    const named = Object.hasOwn(headers, name)
    assert.ok(named || !there, `${name} is documented of ${shown}`)
    assert.ok(there || !named || required !== true, `${name} is on ${shown}`)
  }
  if (content === undefined) return assert.equal(reply.body, '', shown)
  const type = String(reply.headers['content-type']).split(';')[0]!
  const media = content[type]
  assert.ok(media !== undefined, `${shown}: ${type}`)
  if (!type.endsWith('json') || media.schema === undefined) return
  const at = ['paths', path, method.toLowerCase(), 'responses', which, 'content', type, 'schema']
  const pointer = at
    .map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/')
  const validate = validators.get(pointer) ?? ajv.compile({ $ref: `openapi#/${pointer}` })
  validators.set(pointer, validate)
  assert.ok(validate(JSON.parse(reply.body)), `${shown}\n${ajv.errorsText(validate.errors)}`)
}
