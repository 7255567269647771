// Kafka values that are broken in every way that we could think of: each is refused as a record, and nothing else happens.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { eventSchema } from '../../src/codec/kafka-value.ts'
import { wireFormat } from '../../src/codec/wire-format.ts'
import { idProblem } from '../../src/core/ids.ts'
import { InvalidRecordError, UsageError } from '../../src/errors.ts'
import { evolved, recordOf } from '../support/avro-schemas.ts'
import { badRecords } from '../support/bad-records.ts'
import { body, codecOf, envelope, expected, refuses } from '../support/kafka-values.ts'

describe('poison', () => {
  const ours = () => eventSchema

  it('is refused at every length that it can be cut to, and with bytes too many', () => {
    const value = wireFormat(7, body)
    for (const mapping of ['', 'user_id: user_id'])
      for (let length = 0; length < value.length; length++)
        refuses(
          () => codecOf({ mapping }).decode(value.subarray(0, length), envelope, ours),
          /empty|truncated|not a value of schema 7/,
          `cut to ${length}`,
        )
    refuses(
      () => codecOf().decode(Buffer.concat([value, Buffer.from('x')]), envelope, ours),
      /1 bytes too long/,
    )
  })

  it('is refused by its first byte, naming it', () => {
    for (const [bytes, value, says] of [
      [[0x01, 0, 0, 0, 7], 'auto', /byte 0x01; expected 0x00 \(Confluent wire format\) or "\{" \(JSON\)/],
      [Buffer.from('[]'), 'auto', /byte 0x5b; expected/],
      [Buffer.from('\ufeff{}'), 'auto', /byte 0xef; expected/],
      [Buffer.from('{}'), 'confluent', /byte 0x7b; expected 0x00 \(Confluent wire format\)$/],
      [[0, 0, 0, 0, 7], 'json', /byte 0x00 where JSON was expected/],
      [Buffer.alloc(0), 'auto', /the value is empty/],
    ] as const)
      refuses(() => codecOf({ value }).decode(Buffer.from(bytes), envelope, ours), says)
  })

  it('says of a tombstone, an unknown schema and one that cannot be read what they are', () => {
    const value = wireFormat(7, body)
    refuses(
      () => codecOf().decode(Buffer.alloc(0), { ...envelope, nullValue: true }, ours),
      /null value.*is no event/,
    )
    const codec = codecOf()
    refuses(
      () => codec.decode(value, envelope, () => undefined),
      /schema 7 is unknown.*register it, then kindred quarantine replay/,
    )
    assert.deepEqual(codec.decode(value, envelope, ours), expected, 'what was unknown is asked for again')
    const broken = codecOf()
    for (let i = 0; i < 2; i++)
      refuses(
        () => broken.decode(value, envelope, () => '{"type":"nonsense"}'),
        /schema 7 is no Avro schema that can be read/,
      )
    refuses(
      () => codecOf({ registry: undefined }).decode(value, envelope, ours),
      /schema 7 of a schema registry, and none is configured/,
    )
    for (const localSchema of [undefined, '{', '{"type":"nonsense"}'])
      assert.throws(() => codecOf({ value: 'avro', localSchema }), UsageError)
  })

  it('is refused in JSON as it always was', () => {
    for (const { what, bytes, cause } of badRecords) {
      const says = new RegExp(`${cause.source}|begins with byte|empty`)
      refuses(() => codecOf().decode(Buffer.from(bytes), envelope, ours), says, what)
      if (!what.startsWith('a number as'))
        refuses(
          () => codecOf({ mapping: 'price: price' }).decode(Buffer.from(bytes), envelope, ours),
          /./,
          what,
        )
    }
  })

  it('cannot make the reader loop or grow by counts and sizes that it only claims', () => {
    const lists = recordOf({
      a: { type: 'array', items: 'null' },
      m: { type: 'map', values: 'int' },
      user_id: 'string',
    })
    const more = evolved(eventSchema, (fields) => [
      { name: 'a', type: { type: 'array', items: 'int' } },
      ...fields,
    ])
    const tree = recordOf({ next: ['null', 'Order'] })
    for (const [schema, poison] of [
      [lists, 'feffffffffffffffff01'],
      [lists, 'feffffff0f'],
      [lists, `01${'00'.repeat(3)}`],
      [lists, '00feffffff0f'],
      [more, 'feffffff0f'],
      [more, '0103'], // a block of −2 bytes
      [more, '01feffffffffffffffff01'],
      [tree, '02'.repeat(100_000)],
      [
        recordOf({ d: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } }),
        `e807${'7f'.repeat(500)}`,
      ],
      [recordOf({ user_id: 'string' }), '04c328'],
      [recordOf({ user_id: ['null', 'string', 'int', 'long'] }), '0a'],
    ] as const)
      refuses(
        () => codecOf().decode(wireFormat(7, Buffer.from(poison, 'hex')), envelope, () => schema),
        /^not a value of schema 7|^type undefined/,
        poison.slice(0, 40),
      )
  })

  it('of any bytes gives an event within its limits or InvalidRecordError', () => {
    const schemas = [
      eventSchema,
      evolved(eventSchema, (fields) => [{ name: 'm', type: { type: 'map', values: 'string' } }, ...fields]),
      recordOf({
        event_id: ['null', 'long', 'string', { type: 'array', items: 'long' }],
        user_id: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 1 },
        product_id: { type: 'map', values: 'double' },
        ts: { type: 'long', logicalType: 'local-timestamp-micros' },
      }),
    ]
    const mappings = [
      '',
      'event_id: @position, user_id: @key, product_id: =p, type: =view, ts_micros: event_id',
    ]
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.uint8Array({ maxLength: 120 }).map((bytes) => wireFormat(7, bytes)),
      fc
        .tuple(fc.nat({ max: body.length - 1 }), fc.nat({ max: 255 }))
        .map(([at, byte]) => wireFormat(7, Buffer.from(body).fill(byte, at, at + 1))),
    )
    fc.assert(
      fc.property(
        anything,
        fc.constantFrom(...schemas),
        fc.constantFrom(...mappings),
        fc.constantFrom('auto' as const, 'json' as const, 'confluent' as const, 'avro' as const),
        (bytes, schema, mapping, value) => {
          try {
            const codec = codecOf({ value, mapping, localSchema: schema })
            const { userId, quantity, ts } = codec.decode(bytes, envelope, () => schema)
            assert.equal(idProblem(userId), undefined)
            assert.ok(quantity >= 1 && quantity <= 1e9 && ts >= 0 && ts < Date.UTC(2100, 0, 1))
          } catch (error) {
            assert.ok(error instanceof InvalidRecordError, String(error))
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})
