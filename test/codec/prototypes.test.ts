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
        const listed = prototypes.map(({ userId, shares }) => labelLineOf(userId, shares, personas))
        assert.equal(importOf(listed, personas).hash, hash, 'what `prototypes list` gives')
        const file = given.map((line) => JSON.stringify(line)).join('\n')
        assert.equal(importOf(parseLabels(file, 'file')).hash, hash, 'what a file gives')
      }),
    ))

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
      '{"user_id":"a","personas":"A"}',
    ])
      assert.throws(
        () => importOf(parseLabels(`{"user_id":"first","personas":["A"]}\n\n${line}`, 'labels.ndjson')),
        (error) => error instanceof UsageError && /^labels\.ndjson, line 3: .*a line is/.test(error.message),
        line,
      )
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
    ])
      assert.throws(
        () => parsePersonaSet(text, 'set.json'),
        (error) => error instanceof UsageError && error.message.startsWith('set.json'),
        text,
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
