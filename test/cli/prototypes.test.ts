// prototypes import: before, amid and after the events, each a version of its own; the same content again changes nothing.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { PersonasAnswer } from '../../src/lookup/answer.ts'
import { json, lines, run, succeed, withDirectory } from '../support/command.ts'
import { answersIn, assertSound, exportsIn } from '../support/exports.ts'
import { ndjson, smallShop } from '../support/shop-files.ts'

type Label = { user_id: string; personas: string[] | Record<string, number> }
type Imported = {
  version: number
  prototypes: number
  held_out: number
  personas: number
  applied_by: string
}

const shop = smallShop({ seed: 31, shoppers: 120 })
const half = Math.floor(shop.events.length / 2)
const halves = [shop.events.slice(0, half), shop.events.slice(half)]
const labels = shop.prototypes.map((line) => JSON.parse(line) as Label)

describe('prototypes import', () => {
  it('makes a version each time that the content is new, at any time of the stream', () =>
    withDirectory(async (dir) => {
      const { importing, replay, answer, verify } = commandsIn(dir)
      const first = labels[0]!.user_id
      assert.deepEqual(await importing(labels), imported(1, labels))
      assert.deepEqual(await importing(labels), imported(1, labels), 'before any event, twice')
      assert.equal((await answer(first)).status, 'prototype')
      await replay(0)
      await verify()
      const fewer = labels.slice(1)
      assert.deepEqual(await importing(fewer), imported(2, fewer))
      const { status, prototype_set_version } = await answer(first)
      assert.notEqual(status, 'prototype', 'no longer labelled')
      assert.equal(prototype_set_version, 2)
      await verify()
      await replay(1)
      await verify()
      const renamed = labels.map(({ user_id }, n) => ({ user_id, personas: [n % 2 === 0 ? 'even' : 'odd'] }))
      assert.deepEqual(await importing(renamed), imported(3, renamed))
      assert.deepEqual(
        (await answer(first)).personas.map(({ persona }) => persona),
        ['even'],
      )
      await verify()
      assert.deepEqual(await importing(labels), imported(4, labels), 'what was once is new again')
      await verify()
    }))

  it('of the same content again changes nothing, in whatever order and notation', () =>
    withDirectory(async (dir) => {
      const { data, importing, replay } = commandsIn(dir)
      await importing(labels)
      await replay(0)
      await importing(labels)
      const before = await exportsIn(data)
      const spelled = labels.toReversed().map(({ user_id, personas }) => ({
        user_id,
        personas: Array.isArray(personas)
          ? Object.fromEntries(personas.map((name) => [name, 1 / personas.length]))
          : personas,
      }))
      assert.deepEqual(await importing(spelled), imported(1, labels))
      const listed = await lines<Label>(['prototypes', 'list', '--data', data])
      assert.deepEqual(
        await importing(listed),
        imported(1, labels),
        'what `list` gives is what `import` takes',
      )
      const after = await exportsIn(data)
      assert.deepEqual([after.users, after.products], [before.users, before.products])
      assert.equal(after.counters.changes, before.counters.changes)
    }))

  it('--add keeps the prototypes there are', () =>
    withDirectory(async (dir) => {
      const { data, importing, verify } = commandsIn(dir)
      await importing(labels.slice(0, 3))
      const added = { user_id: 'someone new', personas: ['another persona'] }
      assert.equal(
        (await importing([added, { ...labels[0]!, personas: ['another persona'] }], '--add')).version,
        2,
      )
      const listed = await lines<Label>(['prototypes', 'list', '--data', data])
      const names = new Map(listed.map(({ user_id, personas }) => [user_id, Object.keys(personas)]))
      assert.equal(names.size, 4)
      assert.deepEqual(names.get('someone new'), ['another persona'])
      assert.deepEqual(names.get(labels[0]!.user_id), ['another persona'])
      assert.equal((await importing([added], '--add')).version, 2, 'added already')
      await verify()
    }))

  it('refuses files that it cannot take, and changes nothing', () =>
    withDirectory(async (dir) => {
      const { data, importing } = commandsIn(dir)
      await importing(labels)
      const file = join(dir, 'bad.ndjson')
      for (const [text, says] of [
        ['', /no labelled user/],
        ['{"user_id":"a","personas":["A"]}\n{"user_id":"a","personas":["B"]}\n', /labelled twice/],
        ['{"user_id":"a","personas":["A","A"]}\n', /line 1: a persona is named twice/],
        ['{"user_id":"","personas":["A"]}\n', /line 1: user_id is empty/],
        ['not JSON\n', /bad\.ndjson, line 1: .*a line is/],
        [
          Buffer.from('{"user_id":"a","personas":["A"]}\n{"user_id":"\xe9"}\n', 'latin1'),
          /line 2: not valid UTF-8/,
        ],
      ] as const) {
        writeFileSync(file, text)
        await refused(['prototypes', 'import', file, '--data', data, '--json'], says)
      }
      writeFileSync(file, '{"user_id":"a","personas":["A"]}\n\n{"user_id":"b","personas":["B"]}\n')
      const set = join(dir, 'set.json')
      for (const [text, says] of [
        ['no JSON', /set\.json: .*a persona set is/],
        ['{"personas":[{"name":"A"},{}]}', /set\.json, persona 2: it has no name; a persona set is/],
        ['{"personas":[{"name":"A"}]}', /bad\.ndjson, line 3: user "b" is labelled "B"/],
      ] as const) {
        writeFileSync(set, text)
        await refused(['prototypes', 'import', file, '--personas', set, '--data', data, '--json'], says)
        await refused(
          ['replay', '-', '--prototypes', file, '--personas', set, '--data', data, '--json'],
          says,
        )
      }
      assert.equal((await exportsIn(data)).counters.version, 1)
    }))
})

/** Ends with 2, nothing on stdout, and one line that says what is wrong. */
async function refused(args: readonly string[], says: RegExp): Promise<void> {
  const { code, stdout, stderr } = await run(args)
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, says)
  assert.match(stderr, /^kindred: [^\n]+\n$/)
}

function commandsIn(dir: string) {
  const data = join(dir, 'data')
  return {
    data,
    async importing(given: readonly Label[], ...options: string[]): Promise<Imported> {
      const file = join(dir, 'labels.ndjson')
      writeFileSync(file, ndjson(given.map((label) => JSON.stringify(label))))
      return json<Imported>(['prototypes', 'import', file, '--data', data, ...options])
    },
    async replay(which: 0 | 1): Promise<void> {
      const file = join(dir, `half-${which}.ndjson`)
      writeFileSync(file, ndjson(halves[which]!))
      await succeed(['replay', file, '--data', data])
    },
    async answer(user: string): Promise<PersonasAnswer> {
      return (await answersIn(data, [user]))[0]!
    },
    verify: () => assertSound(data),
  }
}

function imported(version: number, given: readonly Label[]): Imported {
  const names = new Set(
    given.flatMap(({ personas }) => (Array.isArray(personas) ? personas : Object.keys(personas))),
  )
  return { version, prototypes: given.length, held_out: 0, personas: names.size, applied_by: 'this command' }
}
