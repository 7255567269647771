// The codec of events: what is taken is exactly what was said, and what is refused names its field.
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeEvent, type RecordFormat } from '../../src/codec/event.ts'
import { idProblem } from '../../src/core/ids.ts'
import { idBytesMax } from '../../src/core/limits.ts'
import { InvalidRecordError } from '../../src/errors.ts'
import { badRecords, oddIds } from '../support/bad-records.ts'
import { csvOf, eventOf } from '../support/events.ts'

const json: RecordFormat = { kind: 'json' }

function decode(fields: Record<string, unknown>) {
  return decodeEvent(JSON.stringify(eventOf(fields)), json)
}

describe('decodeEvent', () => {
  it('reads every field, and what is missing as it is meant', () => {
    assert.deepEqual(decode({ quantity: 6, price: 2.5, title: 'T', category: 'C', colour: 'red' }), {
      eventId: 'e',
      userId: 'u',
      productId: 'p',
      type: 'purchase',
      quantity: 6,
      ts: Date.UTC(2025, 0, 1),
      title: 'T',
      category: 'C',
    })
    for (const nothing of [undefined, null]) {
      const { quantity, title, category } = decode({
        quantity: nothing,
        title: nothing,
        category: nothing,
        price: nothing,
      })
      assert.deepEqual([quantity, title, category], [1, undefined, undefined])
    }
    for (const type of ['purchase', 'return', 'view', 'cart', 'review'])
      assert.equal(decode({ type }).type, type)
    for (const quantity of [1, 2, 1e9]) assert.equal(decode({ quantity }).quantity, quantity)
  })

  it('reads times with a zone, bare dates as UTC, and milliseconds', () => {
    for (const [ts, expected] of [
      ['1970-01-01T00:00:00Z', 0],
      ['1970-01-01', 0],
      [0, 0],
      ['2099-12-31T23:59:59.999Z', Date.UTC(2100, 0, 1) - 1],
      [Date.UTC(2100, 0, 1) - 1, Date.UTC(2100, 0, 1) - 1],
      ['2025-06-01T12:00+02:00', Date.UTC(2025, 5, 1, 10)],
      ['2025-06-01T00:00:00-11:30', Date.UTC(2025, 5, 1, 11, 30)],
      ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
      ['2025-06-01T00:00:00.123456789Z', Date.UTC(2025, 5, 1) + 123],
    ] as const)
      assert.equal(decode({ ts }).ts, expected, String(ts))
  })

  it('takes ids of any Unicode as they are', () => {
    for (const id of oddIds) {
      const { eventId, userId, productId } = decode({ event_id: id, user_id: id, product_id: id })
      assert.deepEqual([eventId, userId, productId], [id, id, id])
    }
  })

  it('refuses what is wrong, naming it, and throws nothing else', () => {
    for (const { what, bytes, cause } of badRecords) {
      const text = Buffer.from(bytes)
      if (!isUtf8(text)) continue
      assert.throws(
        () => decodeEvent(text.toString('utf8'), json),
        (error) => error instanceof InvalidRecordError && cause.test(error.message),
        what,
      )
    }
  })

  it('whatever the text, gives an event within its limits or InvalidRecordError', () => {
    const value = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('purchase', 'e', 1, '2025-01-01T00:00:00Z') },
      fc.jsonValue(),
      fc.string({ unit: 'binary' }),
    )
    const record = fc.record(
      {
        event_id: value,
        user_id: value,
        product_id: value,
        type: value,
        quantity: value,
        ts: value,
        title: value,
      },
      { requiredKeys: [] },
    )
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      record.map((fields) => JSON.stringify(fields)),
    )
    const formats: RecordFormat[] = [json, { kind: 'csv', columns: ['event_id', 'user_id'] }]
    fc.assert(
      fc.property(text, fc.constantFrom(...formats), (given, format) => {
        try {
          const { userId, quantity, ts, title } = decodeEvent(given, format)
          assert.equal(idProblem(userId), undefined)
          assert.ok(Number.isInteger(quantity) && quantity >= 1 && quantity <= 1e9)
          assert.ok(Number.isInteger(ts) && ts >= 0 && ts < Date.UTC(2100, 0, 1))
          assert.ok(title === undefined || (title.isWellFormed() && title.length <= 512))
        } catch (error) {
          assert.ok(error instanceof InvalidRecordError, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('cuts long titles, not within a character', () => {
    assert.equal(decode({ title: 'x'.repeat(600) }).title?.length, 512)
    const title = decode({ title: `${'x'.repeat(511)}👶👶` }).title!
    assert.ok(title.isWellFormed() && title.length <= 512)
  })

  it('reads CSV as the JSON of the same event', () => {
    const columns = [
      'event_id',
      'user_id',
      'product_id',
      'type',
      'quantity',
      'price',
      'ts',
      'title',
      'category',
    ]
    for (const fields of [
      {},
      { quantity: 7, price: 1.25, title: 'a "b", c', category: 'x' },
      { event_id: 'é 👶', user_id: ' a ', product_id: '"', ts: '1735689600000' },
      { user_id: '007', product_id: '1e3', type: 'return' },
    ]) {
      const event = eventOf(fields)
      const [, row] = csvOf([event], columns).split(/\n(?=.)/s)
      const asJson = { ...event, ...(event.ts === '1735689600000' ? { ts: 1735689600000 } : {}) }
      assert.deepEqual(
        decodeEvent(row!.slice(0, -1), { kind: 'csv', columns }),
        decodeEvent(JSON.stringify(asJson), json),
      )
    }
  })

  it('refuses what is nested a million deep as it refuses the rest', () => {
    const deep = `${'['.repeat(1e6)}${']'.repeat(1e6)}`
    for (const field of ['event_id', 'type', 'quantity', 'price', 'ts', 'title']) {
      const text = JSON.stringify(eventOf({ [field]: '#' })).replace('"#"', deep)
      assert.throws(
        () => decodeEvent(text, json),
        (error) => error instanceof InvalidRecordError && error.message.startsWith(field),
        field,
      )
    }
  })

  it('refuses what is to be decoded elsewhere', () => {
    for (const format of [{ kind: 'kafka', topic: 't' }, { kind: 'control' }, { kind: 'erased' }] as const)
      assert.throws(() => decodeEvent(JSON.stringify(eventOf()), format), InvalidRecordError)
  })

  it('refuses a CSV record that does not fit its header', () => {
    const columns = ['event_id', 'user_id', 'product_id', 'type', 'ts']
    for (const [row, says] of [
      ['e,u,p,purchase', /has 4 CSV fields where the header has 5/],
      ['e,u,p,purchase,2025-01-01,more', /has 6 CSV fields/],
      ['e,u,p,purchase,"2025-01-01', /does not end/],
      ['e,u,"p"x,purchase,2025-01-01', /quoted CSV field|does not end/],
      ['e,,p,purchase,2025-01-01', /user_id is missing/],
    ] as const)
      assert.throws(() => decodeEvent(row, { kind: 'csv', columns }), says)
  })
})

describe('idProblem', () => {
  it('counts bytes of UTF-8, and knows what is well-formed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (id) => {
        const fits = id !== '' && Buffer.byteLength(id) <= idBytesMax
        assert.equal(idProblem(id) === undefined, fits)
      }),
    )
  })
})
