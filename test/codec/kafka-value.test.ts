// The codec of Kafka values: events of our own schema and of other people's, by writers of any day.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventSchema } from '../../src/codec/kafka-value.ts'
import { schemaIdOf, wireFormat } from '../../src/codec/wire-format.ts'
import { evolved, recordOf, withFields, without, written } from '../support/avro-schemas.ts'
import { body, codecOf, decoded, envelope, event, expected, hex, refuses } from '../support/kafka-values.ts'

describe('wire format', () => {
  it('is a zero byte, the id big-endian, the body', () => {
    const value = wireFormat(0x01020304, Buffer.from('ab'))
    assert.equal(value.toString('hex'), '00010203046162')
    assert.equal(schemaIdOf(value), 0x01020304)
    for (const other of [value.subarray(0, 4), Buffer.from('{"a":1}'), Buffer.alloc(0)])
      assert.equal(schemaIdOf(other), undefined)
    assert.equal(schemaIdOf(wireFormat(7, Buffer.alloc(0))), 7)
  })
})

describe('values by our own schema', () => {
  it('have the bytes that they had, and are read from them: in wire format, bare, and as JSON', () => {
    assert.equal(written(eventSchema, event).toString('hex'), hex)
    assert.deepEqual(decoded(eventSchema, event), expected)
    const bare = codecOf({ value: 'avro', localSchema: eventSchema })
    assert.deepEqual(
      bare.decode(body, envelope, () => undefined),
      expected,
    )
    assert.equal(bare.schemaKeyOf(body), undefined)
    for (const value of ['auto', 'json'] as const)
      for (const space of ['', ' \n'])
        assert.deepEqual(
          codecOf({ value }).decode(Buffer.from(space + JSON.stringify(event)), envelope, () => undefined),
          expected,
        )
  })

  it('name the key of their schema, without credentials', () => {
    const codec = codecOf({ registry: 'https://ann:secret@registry:8081/' })
    assert.deepEqual(codec.schemaKeyOf(wireFormat(9, body)), { key: 'https://registry:8081#9', id: 9 })
    assert.equal(codec.schemaKeyOf(Buffer.from('{}')), undefined)
  })

  it('are read from a writer that has more fields, fewer, narrower ones, or another namespace', () => {
    const more = evolved(eventSchema, (fields) => [
      { name: 'basket', type: { type: 'array', items: 'string' }, default: [] },
      ...fields,
      { name: 'trace', type: 'long', default: 0 },
    ])
    assert.deepEqual(decoded(more, { ...event, basket: ['a', 'b'], trace: 1 }), expected)
    assert.deepEqual(decoded(evolved(eventSchema, without('title')), event), {
      ...expected,
      title: undefined,
    })
    assert.deepEqual(decoded(evolved(eventSchema, without('quantity')), event), { ...expected, quantity: 1 })
    assert.deepEqual(decoded(evolved(eventSchema, without('type')), event), { ...expected, type: 'purchase' })
    const narrow = evolved(eventSchema, withFields({ quantity: { type: 'int' } }), { namespace: 'shop.v2' })
    assert.deepEqual(decoded(narrow, event), expected)
    const bytes = evolved(eventSchema, withFields({ product_id: { type: 'bytes' } }))
    assert.deepEqual(decoded(bytes, { ...event, product_id: Buffer.from('22423') }), expected)
  })

  it('are read from a writer that has renamed a field and left an alias, or that counts its users', () => {
    const renamed = evolved(eventSchema, withFields({ product_id: { name: 'sku', aliases: ['product_id'] } }))
    assert.deepEqual(decoded(renamed, { ...event, sku: '22423' }), expected)
    const counted = evolved(eventSchema, (fields) =>
      withFields({ user_id: { type: 'long' }, product_id: { type: 'int' } })(without('type')(fields)),
    )
    const read = decoded(counted, { ...event, user_id: 2 ** 52, product_id: -5 })
    assert.deepEqual(read, { ...expected, userId: '4503599627370496', productId: '-5', type: 'purchase' })
  })

  it('are not read as milliseconds when the writer says another unit', () => {
    const micros = { type: { type: 'long', logicalType: 'timestamp-micros' } }
    const schema = evolved(eventSchema, withFields({ ts: micros }))
    assert.deepEqual(decoded(schema, { ...event, ts: event.ts * 1000 + 999 }), expected)
  })
})

describe("values by other people's schemas", () => {
  const ids = { event_id: 'string', user_id: 'string', product_id: 'string', type: 'string' }
  const base = { event_id: 'e', user_id: 'u', product_id: 'p', type: 'view' }
  const logical = (type: unknown, logicalType: string, more = {}) => ({
    ...(typeof type === 'object' ? type : { type }),
    logicalType,
    ...more,
  })

  it('have times in any unit that they name', () => {
    const day = Date.UTC(2025, 0, 1)
    for (const [type, ts, ms] of [
      ['long', day, day],
      [logical('long', 'timestamp-millis'), day + 1, day + 1],
      [logical('long', 'timestamp-micros'), day * 1000 + 1999, day + 1],
      [logical('int', 'date'), day / 86_400_000, day],
      [['null', logical('long', 'timestamp-micros')], { long: day * 1000 }, day],
      ['string', '2025-01-01T01:00:00+01:00', day],
    ] as const) {
      const schema = recordOf({ ...ids, ts: type })
      const value = { ...base, ts: Array.isArray(type) ? day * 1000 : ts }
      assert.equal(decoded(schema, value).ts, ms, JSON.stringify(type))
    }
    const local = recordOf({ ...ids, ts: logical('long', 'local-timestamp-millis') })
    refuses(
      () => decoded(local, { ...base, ts: day }),
      /^ts "2025-01-01T00:00:00.000" is not an ISO 8601 time with a zone/,
    )
  })

  it('have decimals, enums, unions of any branches, maps and nested records', () => {
    const schema = recordOf({
      meta: { type: 'map', values: ['null', 'long', 'string'] },
      customer: {
        type: 'record',
        name: 'Customer',
        fields: [{ name: 'id', type: ['int', 'long', 'string'] }],
      },
      lines: {
        type: 'array',
        items: { type: 'record', name: 'Line', fields: [{ name: 'sku', type: 'string' }] },
      },
      kind: { type: 'enum', name: 'Kind', symbols: ['purchase', 'return'] },
      amount: logical({ type: 'fixed', name: 'Amount', size: 3 }, 'decimal', { precision: 6, scale: 2 }),
      pieces: logical('bytes', 'decimal', { precision: 4 }),
      at: 'double',
    })
    const value = {
      meta: { id: 'm-1', none: null, n: 3 },
      customer: { id: { long: 17 } },
      lines: [{ sku: 'a' }, { sku: 'b' }],
      kind: 'return',
      amount: Buffer.from([0xff, 0xff, 0x85]),
      pieces: Buffer.from([0x01, 0x00]),
      at: 1735689600.25,
    }
    const mapping =
      'event_id: meta.id, user_id: customer.id, product_id: lines.1.sku, type: kind, price: amount, quantity: pieces, ts_seconds: at'
    assert.deepEqual(decoded(schema, value, mapping), {
      eventId: 'm-1',
      userId: '17',
      productId: 'b',
      type: 'return',
      quantity: 256,
      ts: 1735689600250,
      title: undefined,
      category: undefined,
    })
  })

  it('have longs exact up to 2^53, of either sign', () => {
    const schema = recordOf({ ...ids, product_id: 'long', ts: 'long' })
    const start = Buffer.from('02650275', 'hex')
    for (const long of [
      2n ** 53n - 1n,
      1n - 2n ** 53n,
      -(2n ** 52n) - 1n,
      2n ** 52n + 1n,
      -(2n ** 52n),
      0n,
      -1n,
    ]) {
      const bytes = [start, zigzag(long), Buffer.from('08', 'hex'), Buffer.from('view'), Buffer.from([2])]
      const read = codecOf().decode(wireFormat(7, Buffer.concat(bytes)), envelope, () => schema)
      assert.equal(read.productId, String(long))
    }
  })

  it('may hold longs beyond 2^53 where nobody looks', () => {
    const schema = recordOf({ ...ids, ts: 'long', trace: { type: 'fixed', name: 'T', size: 1 } })
    const value = written(schema, { ...base, ts: 1, trace: Buffer.from([0]) })
    const wide = schema.replace('{"type":"fixed","name":"T","size":1}', '"long"')
    const huge = Buffer.from('feffffffffffffffff01', 'hex') // 2⁶³ − 1
    const bytes = wireFormat(7, Buffer.concat([value.subarray(0, -1), huge]))
    assert.equal(codecOf().decode(bytes, envelope, () => wide).eventId, 'e')
    refuses(
      () => codecOf({ mapping: 'user_id: trace' }).decode(bytes, envelope, () => wide),
      /^user_id 9223372036854775807 lies beyond 2\^53: send it as a string/,
    )
    const ours = evolved(eventSchema, (fields) => fields.filter(({ name }) => /id$|ts/.test(name)))
    const ts = Buffer.concat([Buffer.from('026102620263', 'hex'), huge])
    refuses(
      () => codecOf().decode(wireFormat(7, ts), envelope, () => ours),
      /9223372036854775807 lies beyond 2\^53/,
    )
  })

  it('take what is not in the value from key, headers, timestamp and position', () => {
    const schema = recordOf({ sku: 'string' })
    const mapping =
      'event_id: @position\nuser_id: @key\nproduct_id: sku\ntype: =cart\nts: @timestamp\nquantity: @header.n\ntitle: @header.none'
    const headers = [
      ['n', Buffer.from('1')],
      ['n', Buffer.from('12')],
    ] as const
    assert.deepEqual(decoded(schema, { sku: 's' }, mapping, { headers }), {
      eventId: 'purchase-events/2/41',
      userId: 'the key',
      productId: 's',
      type: 'cart',
      quantity: 12,
      ts: envelope.timestamp,
      title: undefined,
      category: undefined,
    })
    refuses(
      () => decoded(schema, { sku: 's' }, mapping, { key: null }),
      /^user_id is missing: there is nothing at @key/,
    )
    refuses(() => decoded(schema, { sku: 's' }, mapping, { key: Buffer.from([0xff]) }), /not valid UTF-8/)
  })

  it('are refused where the event would be wrong', () => {
    const schema = recordOf({ ...ids, ts: 'long' })
    refuses(() => decoded(schema, { ...base, ts: 1, type: 'buy' }), /^type "buy" is none of/)
    refuses(() => decoded(schema, { ...base, ts: -1 }), /^ts -1 .* 1970 to 2100/)
    refuses(() => decoded(schema, { ...base, ts: 1, user_id: '' }), /^user_id is empty/)
    refuses(() => decoded('"string"', 'text'), /must be a record or a JSON object, not string/)
    const nested = recordOf({ ...ids, ts: 'long', title: { type: 'map', values: 'long' } })
    refuses(
      () => decoded(nested, { ...base, ts: 1, title: { a: 1 } }),
      /^title is a record, not a single value/,
    )
  })
})

function zigzag(long: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = long < 0n ? -2n * long - 1n : 2n * long; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}
