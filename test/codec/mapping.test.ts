// Mappings: which part of a foreign record is which field, and what is no mapping.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMappings } from '../../src/codec/mapping.ts'
import { UsageError } from '../../src/errors.ts'
import { eventOf } from '../support/events.ts'
import { codecOf, envelope, refuses } from '../support/kafka-values.ts'

describe('mapped JSON', () => {
  const decode = (value: unknown, mapping: string, topic = 't') =>
    codecOf({ mapping }).decode(Buffer.from(JSON.stringify(value)), { ...envelope, topic }, () => undefined)

  it('is read by paths, by the topic it stands in', () => {
    const order = { customer: { id: 12 }, sku: 'S', created: 1735689600, id: 'o' }
    const pairs = {
      event_id: 'id',
      user_id: 'customer.id',
      product_id: 'sku',
      type: '=purchase',
      ts_seconds: 'created',
    }
    const text = Object.entries(pairs)
      .map((pair) => pair.join(': '))
      .join(', ')
    for (const mapping of [
      text,
      JSON.stringify(pairs),
      JSON.stringify({ t: pairs }),
      JSON.stringify({ '*': pairs }),
    ]) {
      const { userId, ts, productId } = decode(order, mapping)
      assert.deepEqual([userId, ts, productId], ['12', 1735689600000, 'S'])
    }
    const byTopic = JSON.stringify({ other: pairs })
    assert.equal(decode(eventOf({ user_id: 'u' }), byTopic).userId, 'u')
    refuses(() => decode(order, byTopic), /^type undefined/)
    assert.equal(
      decode({ ...eventOf(), ts: undefined, us: 1735689600000999 }, 'ts_micros: us').ts,
      1735689600000,
    )
  })

  it('says what is not where the mapping looks', () => {
    refuses(
      () => decode(eventOf({ a: {} }), 'user_id: a.b.c'),
      /^user_id is missing: there is nothing at a\.b\.c/,
    )
    refuses(() => decode(eventOf(), 'user_id: constructor.name'), /^user_id is missing/)
    refuses(() => decode(eventOf({ a: ['x'] }), 'user_id: a'), /^user_id is an array, not a single value/)
    refuses(() => decode(eventOf(), 'ts_seconds: ts'), /^ts "2025-.*" is not a number of seconds/)
    refuses(() => decode([eventOf()], 'user_id: a'), /begins with byte 0x5b/)
  })

  it('is refused as a mapping, with the pair and what is allowed', () => {
    for (const [mapping, says] of [
      ['user: id', /"user: id": there is no field "user"; fields are event_id, user_id/],
      ['user_id', /"user_id" has no colon; a pair is "field: path"/],
      ['user_id: ', /"user_id: ": a path is names with dots/],
      ['user_id: a..b', /"user_id: a\.\.b": a path/],
      ['user_id: @id', /"user_id: @id": it may be @key, @timestamp, @position or @header.NAME/],
      ['type: =buy', /"type: =buy": a type is one of purchase/],
      ['quantity: =many', /"quantity: =many": quantity is a number/],
      ['ts: a, ts_seconds: b', /"ts_seconds: b": ts is mapped twice/],
      ['__proto__: a', /there is no field "__proto__"/],
      ['{"user_id": 5}', /"user_id" is mapped to 5; a pair/],
      ['{"t": {"user_id": {}}}', /of topic "t": "user_id" is mapped to/],
      ['{"t": {"user_id": "a"}, "s": "b"}', /of topic "s" is "b", not an object of pairs/],
      ['{"t": {}}', /of topic "t" is empty/],
      ['{', /is not JSON/],
      [',', /is empty/],
    ] as const)
      assert.throws(
        () => parseMappings(mapping),
        (error) => error instanceof UsageError && says.test(error.message),
        mapping,
      )
    assert.equal(parseMappings(' ').size, 0)
  })
})
