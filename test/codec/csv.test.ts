// CSV by RFC 4180: what is written comes back, and a record ends where it ends, stray quotes or not.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { csvFields, opensQuote } from '../../src/codec/csv.ts'

/** Fields full of what matters in CSV. */
const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r', ' ', '👶') })

function written(fields: readonly string[], always: boolean): string {
  return fields
    .map((text) => (always || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(',')
}

describe('csvFields', () => {
  it('gives back what was written', () =>
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), fc.boolean(), (fields, always) => {
        assert.deepEqual(csvFields(written(fields, always)), fields)
      }),
    ))

  it('takes a quote inside an unquoted field as it stands', () => {
    assert.deepEqual(csvFields('a,12" pipe,b'), ['a', '12" pipe', 'b'])
    assert.deepEqual(csvFields('5"x7"'), ['5"x7"'])
    assert.deepEqual(csvFields(''), [''])
    assert.deepEqual(csvFields(','), ['', ''])
  })

  it('gives nothing for a quoted field that does not end, or goes on', () => {
    for (const record of ['"', '"a', 'a,"b', '"a"b', '"a" ,b', '"""'])
      assert.equal(csvFields(record), undefined)
  })
})

describe('opensQuote', () => {
  it('says of the beginning of a record whether it ends in a quoted field', () =>
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), fc.boolean(), (fields, always) => {
        const record = written(fields, always)
        assert.equal(opensQuote(Buffer.from(record)), false, record)
        for (let at = record.indexOf('\n'); at >= 0; at = record.indexOf('\n', at + 1))
          assert.equal(
            opensQuote(Buffer.from(record.slice(0, at))),
            true,
            'a line end within a record is quoted',
          )
      }),
    ))

  it('is not misled by a stray quote in an unquoted field', () => {
    for (const record of ['a,12" pipe', '5"', 'a"b,c', 'x,"y ""z""",5"'])
      assert.equal(opensQuote(Buffer.from(record)), false, record)
    for (const record of ['"12"" pipe', 'a,"b', '5",""",'])
      assert.equal(opensQuote(Buffer.from(record)), true, record)
  })
})
