// Whose a record is: named in any notation, in records that can be read and in those that cannot; and nobody else's.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { RecordFormat } from '../../src/codec/event.ts'
import { mentionsUser } from '../../src/codec/mentions-user.ts'
import { wireFormat } from '../../src/codec/wire-format.ts'
import { recordOf, written } from '../support/avro-schemas.ts'
import { oddIds } from '../support/bad-records.ts'
import { csvOf, eventOf } from '../support/events.ts'

const json: RecordFormat = { kind: 'json' }
const kafka: RecordFormat = { kind: 'kafka', topic: 't' }
const columns = ['event_id', 'user_id', 'product_id', 'type', 'ts', 'title']
const csv: RecordFormat = { kind: 'csv', columns }

const userId = fc.oneof(
  fc.constantFrom(
    ...oddIds,
    'a : b',
    'a:b',
    ' : ',
    ':',
    '"user_id": "x"',
    '\\"',
    'a\\',
    "it's",
    ',',
    'a,b',
    'a""b',
  ),
  fc
    .array(fc.constantFrom('a', ' ', ':', '"', '\\', '/', ',', '}', '\n', 'é', '👶', '\u0000'), {
      minLength: 1,
      maxLength: 8,
    })
    .map((parts) => parts.join('')),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
)

describe('a record is of the user', () => {
  it('that its JSON names, in whatever notation, and of nobody else', () =>
    fc.assert(
      fc.property(userId, userId, fc.infiniteStream(fc.nat({ max: 3 })), (user, other, choices) => {
        const text = spelled(user, choices)
        assert.ok(mentionsUser({ text, format: json }, user), text)
        assert.equal(mentionsUser({ text, format: json }, other), user === other, text)
        const list = `[${spelled('somebody', choices)},{"event":${text}}]`
        assert.ok(mentionsUser({ text: list, format: json }, user), list)
      }),
    ))

  it('that JSON names which is broken behind the name, wherever it breaks', () =>
    fc.assert(
      fc.property(
        userId,
        userId,
        fc.infiniteStream(fc.nat({ max: 3 })),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom('', '}', '"', '\\', ' :', '{'),
        (user, other, choices, place, junk) => {
          const whole = spelled(user, choices)
          const named = whole.indexOf(',"product_id"') // what stands there is the end of the name, with its comma
          const text = whole.slice(0, named + 1 + Math.floor(place * (whole.length - named - 2))) + junk
          for (const format of [json, { kind: 'unreadable', cause: 'too long' } as const]) {
            assert.ok(mentionsUser({ text, format }, user), text)
            assert.equal(mentionsUser({ text, format }, other), user === other, text)
          }
        },
      ),
    ))

  it('that JSON names which is broken by the name itself', () => {
    for (const [value, user] of [
      ['"a\tb"', 'a\tb'],
      ['"C:\\dir"', 'C:\\dir'],
      ['"say "hi""', 'say "hi"'],
      ['"ann', 'ann'],
      ["'ann'", 'ann'],
      ['ann', 'ann'],
      ['17', '17'],
    ] as const) {
      const text = `{"event_id":"e", "user_id" : ${value}`
      assert.ok(mentionsUser({ text, format: json }, user), text)
      assert.ok(!mentionsUser({ text, format: json }, 'e'), text)
    }
  })

  it('that a CSV record names, by its column, or by any field where the columns do not fit', () =>
    fc.assert(
      fc.property(userId, userId, fc.constantFrom(',more', ',"open', ',"stray"x'), (user, other, rest) => {
        const row = csvOf([eventOf({ user_id: user, title: other, product_id: other })], columns)
        const text = row.slice(row.indexOf('\n') + 1, -1)
        assert.ok(mentionsUser({ text, format: csv }, user), text)
        assert.equal(mentionsUser({ text, format: csv }, other), user === other, text)
        assert.ok(mentionsUser({ text: text + rest, format: csv }, user), text + rest)
        assert.ok(mentionsUser({ text: text + rest, format: json }, user), 'a file without its header')
      }),
    ))

  it('not for a part of a field, nor for what an event says beside whose it is', () => {
    const broken = '1,ann,p,purchase,2025-01-01,title,more'
    for (const user of ['a', 'an', 'nn', 'ann,p,'])
      assert.ok(!mentionsUser({ text: broken, format: csv }, user), user)
    for (const event of [
      eventOf({ kind: 'erase', userId: 'ben' }),
      eventOf({ title: 'ben', product_id: 'ben', by: { user_id: 'ben' } }),
    ]) {
      const text = JSON.stringify(event)
      assert.ok(mentionsUser({ text, format: json }, 'u'), text)
      assert.ok(!mentionsUser({ text, format: json }, 'ben'), text)
    }
  })

  it('that JSON names a million deep', () => {
    for (const format of [json, kafka]) {
      const text = `${'['.repeat(1e6)}{"user_id":"ann"}${']'.repeat(1e6)}`
      assert.ok(mentionsUser({ text, format }, 'ann'))
      assert.ok(!mentionsUser({ text, format }, 'ben'))
    }
  })

  it('that a Kafka record names: by its key, anywhere in its JSON, or in Avro', () =>
    fc.assert(
      fc.property(userId, userId, (user, other) => {
        const schema = recordOf({ event_id: 'string', buyer: ['null', 'string'], ts: 'long' })
        const avro = (name: string) => wireFormat(7, written(schema, { event_id: '#', buyer: name, ts: 1 }))
        const plain = Buffer.from('{"event_id":"#"}')
        for (const [bytes, key] of [
          [plain, Buffer.from(user)],
          [Buffer.from(JSON.stringify({ order: { lines: [{ by: user }] } })), null],
          [Buffer.from(`${JSON.stringify({ buyer: user }).slice(0, -1)}, oops`), null],
          [avro(user), null],
          [avro(user).subarray(0, -1), undefined],
        ] as const) {
          const record = { text: bytes.toString('utf8'), format: kafka, bytes, key }
          assert.ok(mentionsUser(record, user), record.text)
          assert.ok(mentionsUser({ ...record, bytes: () => bytes }, user), record.text)
        }
        for (const bytes of [plain, Buffer.from(JSON.stringify({ [user]: 1, buyer: `${user}+` }))]) {
          const record = { text: bytes.toString('utf8'), format: kafka, bytes, key: Buffer.from(`${user}+`) }
          assert.ok(user === '#' || !mentionsUser(record, user), record.text)
        }
        assert.equal(
          mentionsUser({ text: JSON.stringify({ buyer: other }), format: kafka }, user),
          user === other,
        )
      }),
    ))

  it('that a Kafka record counts: a whole number of its JSON, or a long of Avro that cannot stand there by chance', () => {
    const text = '{"customer":{"id":123456},"price":7.5}'
    assert.ok(mentionsUser({ text, format: kafka }, '123456'))
    for (const user of ['12345', '7', '7.5', '0123456'])
      assert.ok(!mentionsUser({ text, format: kafka }, user), user)
    const schema = recordOf({ user_id: 'long', n: 'int' })
    const bytes = written(schema, { user_id: 123456, n: 3 })
    const record = { text: bytes.toString('utf8'), format: kafka, bytes }
    assert.ok(mentionsUser(record, '123456'))
    for (const user of ['123457', '3']) assert.ok(!mentionsUser(record, user), user)
    assert.ok(mentionsUser({ ...record, key: Buffer.from('3') }, '3'))
  })

  it('that a control record erases or labels', () => {
    const control = { kind: 'control' } as const
    const set = { hash: '', personas: [], prototypes: [{ userId: 'ann', shares: [] }] }
    for (const [text, users] of [
      ['{"kind":"erase","userId":"ann"}', ['ann']],
      [JSON.stringify({ kind: 'import', set }), ['ann']],
      ['{"kind":"switch","version":1}', []],
      ['{"kind":"requeue","quarantineIds":[1]}', []],
    ] as const)
      assert.deepEqual(
        ['ann', 'ben'].filter((user) => mentionsUser({ text, format: control }, user)),
        users,
        text,
      )
    assert.ok(!mentionsUser({ text: '', format: { kind: 'erased' } }, 'ann'))
  })
})

/** An event of the user as JSON: spaces around the colon, characters of the id escaped or not, as `choices` say. */
function spelled(user: string, choices: Iterator<number>): string {
  const next = () => choices.next().value as number
  const space = () => ['', ' ', '\t', ' \n '][next()]!
  const surrogatesEscaped = next() === 0
  const units = Array.from({ length: user.length }, (_, i) => user.charCodeAt(i))
  const escaped = (unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`
  const id = units
    .map((unit) => {
      if (unit >= 0xd800 && unit < 0xe000)
        return surrogatesEscaped ? escaped(unit) : String.fromCharCode(unit)
      const plain = JSON.stringify(String.fromCharCode(unit)).slice(1, -1)
      return next() === 0 ? escaped(unit) : plain === '/' && next() === 0 ? '\\/' : plain
    })
    .join('')
  return `{"event_id":"e","user_id"${space()}:${space()}"${id}","product_id":"p","type":"purchase","ts":"2025-01-01"}`
}
