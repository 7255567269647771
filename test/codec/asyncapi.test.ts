// The AsyncAPI document: valid by the specification's own schema, and true of what is read and written.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { answerOf, decodeAnswerAvro, decodeChangeAvro } from '../../src/codec/change-avro.ts'
import { encodeChange } from '../../src/codec/change-event.ts'
import { decodeEvent } from '../../src/codec/event.ts'
import type { PersonaChange } from '../../src/core/change.ts'
import { InvalidRecordError } from '../../src/errors.ts'
import { badRecords } from '../support/bad-records.ts'
import { eventOf } from '../support/events.ts'
import { avroGolden } from '../support/golden-avro.ts'

type Message = {
  readonly headers?: { readonly $ref: string }
  readonly payload: { readonly $ref?: string; readonly schemaFormat?: string; readonly schema?: unknown }
  readonly examples?: readonly { readonly payload: unknown; readonly headers?: unknown }[]
}
type Document = {
  readonly components: {
    readonly messages: Readonly<Record<string, Message>>
    readonly schemas: Readonly<
      Record<string, { readonly required: readonly string[]; readonly properties: object }>
    >
  }
}

const schemasOf = (file: string) =>
  JSON.parse(readFileSync(new URL(`../../../schemas/${file}`, import.meta.url), 'utf8'))
const document = schemasOf('asyncapi.json') as Document
const { messages, schemas } = document.components

const ajv = new Ajv({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema({ components: { schemas } }, 'asyncapi')

function problems(ref: string, value: unknown): unknown {
  ajv.validate({ $ref: `asyncapi${ref}` }, value)
  return ajv.errors
}
const schemaRef = (name: string) => `#/components/schemas/${name}`

const change: PersonaChange = {
  userId: 'u',
  sequence: 1,
  cause: { eventId: 'e', ref: { source: 'kafka:purchase-events/0', offset: 7 }, ts: Date.UTC(2025, 0, 1) },
  status: 'inferred',
  entered: [{ persona: 'A', probability: 0.5 }],
  exited: [],
  personas: [{ persona: 'A', probability: 0.5 }],
  primary: 'A',
  previousPrimary: undefined,
  evidence: [{ productId: 'p', title: undefined, share: 1 }],
  version: 1,
}

describe('asyncapi.json', () => {
  it('is a document of AsyncAPI 3.0', () => {
    const official = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0.json') as object
    // it brings its own copy of draft-07's schema
    const validator = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false })
    addFormats.default(validator)
    const validate = validator.compile(official)
    assert.ok(validate(document), JSON.stringify(validate.errors, null, 1))
    assert.ok(!validate({ ...document, channels: { x: { address: 5 } } }), 'the validator can refuse')
  })

  it('refers to nothing that is not there', () => {
    JSON.parse(JSON.stringify(document), (key, value) => {
      if (key !== '$ref') return value
      const found = (value as string)
        .slice(2)
        .split('/')
        .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document)
      assert.notEqual(found, undefined, value)
      return value
    })
  })

  it('embeds the Avro schemas as they are in their files', () => {
    for (const [message, file] of [
      ['PurchaseEventAvro', 'purchase-event.avsc'],
      ['PersonaChangeAvro', 'persona-change.avsc'],
      ['PersonaAnswerAvro', 'persona-answer.avsc'],
    ] as const) {
      assert.equal(messages[message]?.payload.schemaFormat, 'application/vnd.apache.avro;version=1.9.0')
      assert.deepEqual(messages[message]?.payload.schema, schemasOf(file))
    }
  })

  it('describes changes and answers as they are written, every field of them', () => {
    const { persona_change: golden, persona_answer: goldenAnswer } = avroGolden
    const encoded = JSON.parse(encodeChange(change))
    for (const value of [encoded, decodeChangeAvro(Buffer.from(golden.hex, 'hex'))]) {
      assert.equal(problems(schemaRef('PersonaChange'), value), null)
      assert.deepEqual(Object.keys(value).sort(), Object.keys(schemas.PersonaChange!.properties).sort())
    }
    for (const value of [answerOf(encoded), decodeAnswerAvro(Buffer.from(goldenAnswer.hex, 'hex'))]) {
      assert.equal(problems(schemaRef('PersonaAnswer'), value), null)
      assert.deepEqual(Object.keys(value).sort(), Object.keys(schemas.PersonaAnswer!.properties).sort())
    }
    for (const field of schemas.PersonaChange!.required)
      assert.notEqual(problems(schemaRef('PersonaChange'), { ...encoded, [field]: undefined }), null, field)
  })

  it('describes events as they are read: what it takes is an event, what is refused by its form it refuses', () => {
    for (const fields of [
      {},
      { quantity: null, price: null, title: null, category: null },
      { ts: 0, quantity: 1e9, price: -1.5 },
      { ts: '2025-06-01T12:00+02:00', type: 'review' },
    ]) {
      assert.equal(problems(schemaRef('PurchaseEvent'), eventOf(fields)), null)
      decodeEvent(JSON.stringify(eventOf(fields)), { kind: 'json' })
    }
    // a day that is no day, a year beyond 2100, bytes rather than characters: JSON Schema cannot say these
    const beyond = /1970 to 2100|ISO 8601|bytes; ids|well-formed|not valid UTF-8|not JSON/
    for (const { what, bytes } of badRecords) {
      const text = Buffer.from(bytes).toString('utf8')
      assert.throws(
        () => decodeEvent(text, { kind: 'json' }),
        (error) => {
          assert.ok(error instanceof InvalidRecordError)
          if (!beyond.test(error.message))
            assert.notEqual(problems(schemaRef('PurchaseEvent'), JSON.parse(text)), null, what)
          return true
        },
        what,
      )
    }
  })

  it('gives examples that are what it says', () => {
    let examples = 0
    for (const [name, { payload, headers, examples: given = [] }] of Object.entries(messages))
      for (const example of given) {
        examples++
        assert.equal(problems(payload.$ref!, example.payload), null, name)
        if (headers !== undefined) assert.equal(problems(headers.$ref, example.headers), null, name)
      }
    assert.ok(examples >= 4)
  })
})
