// The codec of prototype files and persona sets: shares that sum to one, one hash for one content, errors that help.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  importOf,
  type LabelLine,
  labelLineOf,
  parseLabels,
  parsePersonaSet,
} from '../../src/codec/prototypes.ts'
import { shareOne } from '../../src/core/limits.ts'
import { UsageError } from '../../src/errors.ts'
import { oddIds } from '../support/bad-records.ts'

const name = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constantFrom(...oddIds))
const label = fc.oneof(
  fc.uniqueArray(name, { minLength: 1, maxLength: 8 }),
  fc
    .uniqueArray(fc.tuple(name, fc.double({ min: 1e-6, max: 1e6, noNaN: true })), {
      minLength: 1,
      maxLength: 8,
      selector: ([text]) => text,
    })
    .map((entries) => Object.fromEntries(entries)),
)
const labels: fc.Arbitrary<LabelLine[]> = fc.uniqueArray(fc.record({ user_id: name, personas: label }), {
  minLength: 1,
  maxLength: 6,
  selector: ({ user_id }) => user_id,
})

describe('importOf', () => {
  it('gives shares in whole numbers that sum to exactly one', () =>
    fc.assert(
      fc.property(labels, (given) => {
        for (const { shares } of importOf(given).prototypes) {
          assert.equal(
            shares.reduce((sum, { share }) => sum + share, 0),
            shareOne,
          )
          assert.ok(shares.every(({ share }) => Number.isInteger(share) && share > 0))
        }
      }),
    ))

  it('has one hash for one content, whatever the order of users and personas, and the notation', () =>
    fc.assert(
      fc.property(labels, (given) => {
        const { hash, personas, prototypes } = importOf(given)
        assert.equal(importOf(given.map(backwards).reverse()).hash, hash)
        const listed = prototypes.map((label) => labelLineOf(label, personas))
        assert.equal(importOf(listed, personas).hash, hash, 'what `prototypes list` gives')
        const file = given.map((line) => JSON.stringify(line)).join('\n')
        assert.equal(importOf(parseLabels(file, 'file')).hash, hash, 'what a file gives')
      }),
    ))

  it('has one hash for labels in percent and of one, and for thirds as a list and in digits', () => {
    const hash = (personas: LabelLine['personas']) => importOf([{ user_id: 'a', personas }]).hash
    assert.equal(hash({ A: 10, B: 35, C: 55 }), hash({ A: 0.1, B: 0.35, C: 0.55 }))
    assert.equal(hash(['C', 'A', 'B']), hash({ B: 0.3333, C: 0.3333, A: 0.3333 }))
    fc.assert(
      fc.property(
        fc
          .array(fc.nat({ max: 100 }), { minLength: 2, maxLength: 8 })
          .filter((all) => all.some((n) => n > 0)),
        fc.constantFrom(3, 10, 100, 1000),
        (wholes, scale) => {
          const labelled = (by: number) => Object.fromEntries(wholes.map((n, i) => [`p${i}`, n / by]))
          assert.equal(hash(labelled(scale)), hash(labelled(1)))
        },
      ),
    )
  })

  it('has one hash for a persona set with and without what is empty, whatever the order of its fields', () => {
    const labels: LabelLine[] = [{ user_id: 'a', personas: ['A'] }]
    const hash = (personas: object[]) => {
      const set = parsePersonaSet(JSON.stringify({ version: '1', personas }), 'set.json')
      assert.equal(importOf(labels, personas as never).hash, importOf(labels, set).hash)
      return importOf(labels, set).hash
    }
    assert.equal(hash([{ name: 'A' }]), importOf(labels).hash)
    assert.equal(hash([{ keywords: [], description: '', name: 'A', more: 1 }]), hash([{ name: 'A' }]))
    assert.equal(
      hash([{ description: 'd', keywords: ['k'], name: 'A' }]),
      hash([{ name: 'A', keywords: ['k'], description: 'd' }]),
    )
    assert.notEqual(
      hash([{ name: 'A' }, { name: 'B' }]),
      hash([{ name: 'B' }, { name: 'A' }]),
      'it breaks ties',
    )
  })

  it('has another hash for other labels and another persona set', () => {
    const one: LabelLine[] = [{ user_id: 'a', personas: ['A'] }]
    const hashes = [
      importOf(one),
      importOf([{ user_id: 'a', personas: ['B'] }]),
      importOf([{ user_id: 'b', personas: ['A'] }]),
      importOf([...one, { user_id: 'b', personas: ['A'] }]),
      importOf([{ user_id: 'a', personas: { A: 0.5, B: 0.5 } }]),
      importOf([{ user_id: 'a', personas: { A: 0.5, B: 0.4 } }]),
      importOf(one, [{ name: 'A' }, { name: 'B' }]),
      importOf(one, [{ name: 'A', description: 'of its own' }]),
    ].map(({ hash }) => hash)
    assert.equal(new Set(hashes).size, hashes.length)
  })

  it('refuses a user labelled twice, and personas that the set does not have', () => {
    const twice = [1, 2].map(() => ({ user_id: 'a', personas: ['A'] }))
    assert.throws(() => importOf(twice), /"a" is labelled twice/)
    assert.throws(() => importOf(twice.slice(1), [{ name: 'B' }]), /labelled "A", which the persona set/)
    assert.throws(() => importOf([], [{ name: 'A' }, { name: 'A' }]), /twice/)
    const many = Array.from({ length: 257 }, (_, n) => ({ name: `p${n}` }))
    assert.throws(() => importOf([], many), /257 personas; a set has at most 256/)
  })
})

describe('files of labels and personas', () => {
  it('are refused with the file, the line and what a line is', () => {
    for (const line of [
      'no JSON',
      'null',
      '5',
      '{}',
      '{"user_id":"a"}',
      '{"user_id":"","personas":["A"]}',
      '{"user_id":5,"personas":["A"]}',
      '{"user_id":"\\ud800","personas":["A"]}',
      '{"user_id":"a","personas":[]}',
      '{"user_id":"a","personas":[""]}',
      '{"user_id":"a","personas":[5]}',
      '{"user_id":"a","personas":["A","A"]}',
      '{"user_id":"a","personas":{}}',
      '{"user_id":"a","personas":{"A":0}}',
      '{"user_id":"a","personas":{"A":-1,"B":2}}',
      '{"user_id":"a","personas":{"A":"1"}}',
      '{"user_id":"a","personas":{"":1}}',
      '{"user_id":"a","personas":{"A":1e308,"B":1e308}}',
      '{"user_id":"a","personas":{"A":1e999}}',
      '{"user_id":"a","personas":{"A":null}}',
      '{"user_id":"a","personas":["\\ud800"]}',
      '{"user_id":"a","personas":"A"}',
    ])
      assert.throws(
        () => importOf(parseLabels(`{"user_id":"first","personas":["A"]}\n\n${line}`, 'labels.ndjson')),
        (error) => error instanceof UsageError && /^labels\.ndjson, line 3: .*a line is/.test(error.message),
        line,
      )
  })

  it('say which line labels a user twice, or with a persona that the set does not have', () => {
    const file = (...lines: [string, string][]) =>
      lines.map(([user_id, name]) => JSON.stringify({ user_id, personas: [name] })).join('\n\n')
    assert.throws(
      () => parseLabels(file(['a', 'A'], ['b', 'A'], ['a', 'B']), 'labels.ndjson'),
      /^UsageError: labels\.ndjson, line 5: user "a" is labelled twice, first in line 1;/,
    )
    assert.throws(
      () => importOf(parseLabels(file(['a', 'A'], ['b', 'B']), 'labels.ndjson'), [{ name: 'A' }]),
      /^UsageError: labels\.ndjson, line 3: user "b" is labelled "B", which the persona set does not have/,
    )
    assert.throws(
      () => importOf([{ user_id: 'a', personas: { A: 1, B: 0 } }], [{ name: 'A' }]),
      /labelled "B"/,
      'a name is a name, whatever its probability',
    )
  })

  it('may begin with a byte order mark, and end lines as they like', () => {
    const line = '{"user_id":"a","personas":["A"]}'
    assert.equal(
      importOf(parseLabels(`\ufeff${line}\r\n\r\n`, 'f')).hash,
      importOf(parseLabels(line, 'f')).hash,
    )
    assert.deepEqual(parsePersonaSet('\ufeff{"personas":[{"name":"A"}]}\r\n', 'f'), [{ name: 'A' }])
  })

  it('of a persona set are read, or refused by name', () => {
    const set = [{ name: 'A', description: 'd', keywords: ['k'] }, { name: 'B' }]
    assert.deepEqual(parsePersonaSet(JSON.stringify({ version: '1', personas: set }), 'set.json'), set)
    for (const text of [
      '',
      '[]',
      'null',
      '{}',
      '{"personas":{}}',
      '{"personas":[{}]}',
      '{"personas":[{"name":" "}]}',
      '{"personas":[]}',
      '{"personas":[{"name":"A"},null]}',
      '{"personas":[{"name":"\\ud800"}]}',
      '{"personas":[{"name":"A","description":5}]}',
      '{"personas":[{"name":"A","keywords":"k"}]}',
      '{"personas":[{"name":"A","keywords":[5]}]}',
    ])
      assert.throws(
        () => parsePersonaSet(text, 'set.json'),
        (error) =>
          error instanceof UsageError &&
          /^set\.json(, persona [12])?: .*; a persona set is/.test(error.message),
        text,
      )
    assert.throws(
      () => parsePersonaSet('{"personas":[{"name":"A"},{"name":"B"},{"name":"A"}]}', 'set.json'),
      /^UsageError: set\.json, persona 3: "A" is named twice, first by persona 1/,
    )
  })
})

/** The same label with its personas named from the last to the first. */
function backwards({ user_id, personas }: LabelLine): LabelLine {
  return {
    user_id,
    personas: Array.isArray(personas)
      ? personas.toReversed()
      : Object.fromEntries(Object.entries(personas).reverse()),
  }
}
