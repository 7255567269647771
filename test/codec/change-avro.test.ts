// Avro of what goes out: the bytes are what they were, every change comes back, and schemas of other days are understood.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseReaderSchema, readAvro } from '../../src/codec/avro-type.ts'
import {
  answerOf,
  answerSchema,
  changeSchema,
  decodeAnswerAvro,
  decodeChangeAvro,
  encodeAnswerAvro,
  encodeChangeAvro,
} from '../../src/codec/change-avro.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { InvalidRecordError } from '../../src/errors.ts'
import { evolved, withFields, without, written } from '../support/avro-schemas.ts'
import { avroGolden } from '../support/golden-avro.ts'

const { persona_change: golden, persona_answer: goldenAnswer } = avroGolden

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const share = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0) // JSON has no −0
const held = fc.array(fc.record({ persona: text, probability: share }), { maxLength: 4 })
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 }) // avsc's largest long
const change: fc.Arbitrary<ChangeEvent> = fc.record({
  event_id: text,
  user_id: text,
  sequence: whole,
  occurred_at: fc
    .date({ min: new Date(0), max: new Date('2099-12-31T23:59:59.999Z'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  cause: fc.record({ event_id: text, source: text, position: whole }),
  status: fc.constantFrom('prototype', 'inferred', 'unknown'),
  entered: held,
  exited: held,
  personas: held,
  primary: fc.option(text),
  previous_primary: fc.option(text),
  evidence: fc.array(fc.record({ product_id: text, title: fc.option(text), share }), { maxLength: 3 }),
  prototype_set_version: fc.nat(),
})

describe('changes and answers in Avro', () => {
  it('have the bytes that they had, and come back from them', () => {
    assert.equal(encodeChangeAvro(golden.value).toString('hex'), golden.hex)
    assert.deepEqual(decodeChangeAvro(Buffer.from(golden.hex, 'hex')), golden.value)
    assert.deepEqual(answerOf(golden.value), goldenAnswer.value)
    assert.equal(encodeAnswerAvro(goldenAnswer.value).toString('hex'), goldenAnswer.hex)
    assert.deepEqual(decodeAnswerAvro(Buffer.from(goldenAnswer.hex, 'hex')), goldenAnswer.value)
  })

  it('come back as they went in, whatever they hold', () =>
    fc.assert(
      fc.property(change, (event) => {
        const same = (value: unknown) => JSON.parse(JSON.stringify(value))
        assert.deepEqual(decodeChangeAvro(encodeChangeAvro(event)), same(event))
        assert.deepEqual(decodeAnswerAvro(encodeAnswerAvro(answerOf(event))), same(answerOf(event)))
      }),
    ))

  it('bytes of a newer writer are read by this schema', () => {
    const added = evolved(changeSchema, (fields) => [
      { name: 'lifetime', type: ['null', { type: 'array', items: 'double' }], default: null },
      ...fields,
      { name: 'note', type: 'string', default: '' },
    ])
    const value = { ...golden.value, occurred_at: Date.parse(golden.value.occurred_at) }
    assert.deepEqual(
      decodeChangeAvro(written(added, { ...value, lifetime: [1, 2], note: 'n' }), added),
      golden.value,
    )
    const removed = evolved(changeSchema, without('evidence'))
    assert.deepEqual(decodeChangeAvro(written(removed, value), removed), { ...golden.value, evidence: [] })
    const narrower = evolved(changeSchema, withFields({ sequence: { type: 'int' } }), { namespace: 'other' })
    assert.deepEqual(decodeChangeAvro(written(narrower, value), narrower), golden.value)
  })

  it('bytes of this schema are read by a newer one', () => {
    for (const [schema, bytes, was, now] of [
      [changeSchema, golden.hex, 'primary', 'main_persona'],
      [answerSchema, goldenAnswer.hex, 'primary', 'main_persona'],
    ] as const) {
      const newer = evolved(schema, (fields) => [
        ...withFields({ [was]: { name: now, aliases: [was] } })(fields),
        { name: 'note', type: 'string', default: 'none' },
      ])
      const type = parseReaderSchema(newer)
      const read = readAvro(type, {
        bytes: Buffer.from(bytes, 'hex'),
        start: 0,
        resolver: type.createResolver(parseReaderSchema(schema)),
      }) as Record<string, unknown>
      assert.deepEqual([read[now], read.note], ['Home baker', 'none'])
    }
  })

  it('every field has a default that is not an identity, so that it may be left out one day', () => {
    for (const file of ['purchase-event', 'persona-change', 'persona-answer']) {
      const schema = readFileSync(new URL(`../../../schemas/${file}.avsc`, import.meta.url), 'utf8')
      const identities = ['event_id', 'user_id', 'product_id', 'persona', 'ts']
      JSON.parse(schema, (_, value) => {
        for (const field of Array.isArray(value?.fields) ? value.fields : [])
          assert.equal(
            field.default === undefined,
            identities.includes(field.name),
            `${file}: ${value.name}.${field.name}`,
          )
        return value
      })
    }
  })

  it('broken bytes are told of as such: cut anywhere, too long, or any bytes at all', () => {
    const whole = Buffer.from(golden.hex, 'hex')
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => decodeChangeAvro(whole.subarray(0, length)), InvalidRecordError, `cut at ${length}`)
    assert.throws(() => decodeChangeAvro(Buffer.concat([whole, Buffer.alloc(1)])), /1 bytes too long/)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeChangeAvro(bytes)
        } catch (error) {
          assert.ok(error instanceof InvalidRecordError, String(error))
        }
      }),
    )
  })
})
