// Files as records: cut into the right pieces, numbered as they stand, and the same from any line on that a replay resumes at.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { csvFields } from '../../src/codec/csv.ts'
import { fileChunks } from '../../src/source/file-lines.ts'
import { csvOf, eventOf, purchases } from '../support/events.ts'

type Read = { readonly text: string; readonly line: number; readonly kind: string }

const columns = ['event_id', 'user_id', 'product_id', 'type', 'ts', 'title']
const header = columns.join(',')

/** Records with the line numbers that they are known by, and where each chunk ends; `pieces` cuts the input. */
async function readAll(
  bytes: Uint8Array | string,
  { fromLine = 0, pieces = 1 << 18 }: { fromLine?: number; pieces?: number } = {},
): Promise<{ records: Read[]; ends: number[] }> {
  const all = Buffer.from(bytes)
  const input = Readable.from(
    Array.from({ length: Math.ceil(all.length / pieces) }, (_, n) =>
      all.subarray(n * pieces, (n + 1) * pieces),
    ),
  )
  const records: Read[] = []
  const ends: number[] = []
  for await (const { blocks, nextLine } of fileChunks('test', { source: 'file:test', fromLine, input })) {
    for (const { format, records: given, refOffsets } of blocks)
      for (const [i, record] of given.entries())
        records.push({
          text: Buffer.from(record).toString('utf8'),
          line: refOffsets![i]!,
          kind: format.kind,
        })
    ends.push(nextLine)
  }
  return { records, ends }
}

const textsOf = ({ records }: { records: Read[] }) => records.map(({ text }) => text)
const linesOf = ({ records }: { records: Read[] }) => records.map(({ line }) => line)

describe('the lines of a file', () => {
  it('are its records, whatever their ends, and are numbered as they stand, blank ones too', async () => {
    const found = await readAll('\ufeff{"a":1}\r\n\n  \n{"b":2}\n\r\n{"c":3}')
    assert.deepEqual(textsOf(found), ['{"a":1}', '{"b":2}', '{"c":3}'])
    assert.deepEqual(linesOf(found), [1, 4, 6])
    assert.deepEqual(textsOf(await readAll('')), [])
    assert.deepEqual(textsOf(await readAll('\n\n')), [])
  })

  it('of CSV may hold line ends in quoted fields: a record has the number of its first line', async () => {
    const text = `${header}\n1,u,p,view,2025-01-01,plain\n2,u,p,view,2025-01-01,"two\r\nlines\n"\n\n3,u,p,view,2025-01-01,x`
    const found = await readAll(text)
    assert.deepEqual(linesOf(found), [2, 3, 7])
    assert.equal(textsOf(found)[1], '2,u,p,view,2025-01-01,"two\r\nlines\n"')
    assert.ok(found.records.every(({ kind }) => kind === 'csv'))
  })

  it('of CSV keep their bytes exactly, but for the line end, whatever a quoted field holds', () => {
    const bit = fc.constantFrom('\r\n', '\n', '\r', '"', ',', 'a', ' ', '\r\n\r\n', 'é')
    const title = fc.array(bit, { maxLength: 8 }).map((bits) => bits.join(''))
    return fc.assert(
      fc.asyncProperty(
        fc.array(title, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('\n', '\r\n'),
        fc.integer({ min: 1, max: 9 }),
        async (titles, end, pieces) => {
          const rows = titles.map((text, n) => `e${n},u,p,view,2025-01-01,"${text.replaceAll('"', '""')}"`)
          const found = await readAll([header, ...rows].map((row) => row + end).join(''), { pieces })
          assert.deepEqual(textsOf(found), rows)
          assert.deepEqual(
            textsOf(found).map((text) => csvFields(text)?.[5]),
            titles,
          )
        },
      ),
    )
  })

  it('of CSV whose last quoted field does not end are kept to the end of the file', async () => {
    const found = await readAll(`${header}\r\n1,u,p,view,2025-01-01,"a\r\nb\r\n`)
    assert.deepEqual(textsOf(found), ['1,u,p,view,2025-01-01,"a\r\nb'])
  })

  it('are cut alike however the bytes arrive', async () => {
    const events = purchases(40, { title: 'a "b"\n, é👶' })
    for (const text of [
      csvOf(events, columns),
      events.map((event) => `${JSON.stringify(event)}\r\n`).join(''),
    ]) {
      const expected = (await readAll(text)).records
      assert.equal(expected.length, 40)
      for (const pieces of [1, 2, 3, 7, 100])
        assert.deepEqual((await readAll(text, { pieces })).records, expected)
    }
  })

  it('longer than a record may be are told apart, their beginning kept, their length said', async () => {
    const long = 'x'.repeat(12 * 1024 * 1024)
    const { records } = await readAll(`{"a":1}\n${long}\n{"b":2}\n`)
    assert.deepEqual(
      records.map(({ line, kind }) => [line, kind]),
      [
        [1, 'json'],
        [2, 'unreadable'],
        [3, 'json'],
      ],
    )
    assert.ok(records[1]!.text.length <= 64 * 1024)
  })

  it('from any line on that a chunk ended at are the rest: a replay resumes without a gap or a repeat', async () => {
    const events = Array.from({ length: 3000 }, (_, n) =>
      eventOf({ event_id: `e${n}`, title: n % 5 === 0 ? `two\n"lines" ${n}` : 't'.repeat(n % 300) }),
    )
    for (const text of [
      csvOf(events, columns),
      events.map((event) => `${JSON.stringify(event)}\n\n`).join(''),
    ]) {
      const { records, ends } = await readAll(text)
      assert.equal(records.length, 3000)
      assert.ok(ends.length > 3)
      for (const end of ends) {
        const rest = await readAll(text, { fromLine: end })
        const done: number = records.length - rest.records.length
        assert.deepEqual(rest.records, records.slice(done))
        assert.ok(done === 0 || records[done - 1]!.line <= end, `resumed at line ${end}`)
      }
      assert.deepEqual((await readAll(text, { fromLine: ends.at(-1)! })).records, [])
    }
  })

  it('whatever they hold lose nothing: every byte that is not blank is in a record', () => {
    const bit = fc.constantFrom('{', '}', '"', ',', '\n', '\r\n', 'a', 'é', ' ', header, `${header}\n`)
    return fc.assert(
      fc.asyncProperty(
        fc.array(bit, { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        async (bits, pieces) => {
          const text = `{}\n${bits.join('')}`
          const found = await readAll(text, { pieces })
          assert.equal(textsOf(found).join('').replaceAll(/\s/g, ''), text.replaceAll(/\s/g, ''))
          const numbers = linesOf(found)
          assert.deepEqual(
            numbers,
            [...numbers].sort((a, b) => a - b),
          )
          assert.equal(new Set(numbers).size, numbers.length)
        },
      ),
    )
  })
})
