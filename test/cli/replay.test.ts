// Replay: the same events leave the same state, whatever their format, their batches, and where they were interrupted.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { json, lines, run, type Settings, succeed, withDirectory } from '../support/command.ts'
import { csvOf, eventOf, ndjsonOf } from '../support/events.ts'
import { assertSameExports, type Exports, exportsIn } from '../support/exports.ts'
import { assertSameLines } from '../support/same-lines.ts'
import { ndjson, smallShop, writeShop } from '../support/shop-files.ts'

const shop = smallShop({ seed: 8, shoppers: 90 })
const events = shop.events.map((line) => JSON.parse(line) as Record<string, unknown>)
const columns = Object.keys(events[0]!)

type Left = Exports & { readonly changes: string }

for (const [walks, env] of [
  ['without longer walks', { KINDRED_WALKS_MAX: '0' }],
  ['with longer walks', {}],
] as const)
  describe(`a replay ${walks} leaves the same state`, () => {
    let expected: Left

    before(() =>
      withDirectory(async (dir) => {
        expected = await leftBy(dir, { files: [['events', ndjson(shop.events)]], env })
      }),
    )

    it('of CSV as of NDJSON', () =>
      withDirectory(async (dir) => {
        const found = await leftBy(dir, { files: [['events.csv', csvOf(events, columns)]], env })
        assertSameExports(found, expected)
        // causes name the file and its lines (a CSV has one more, the header): all else is the same
        assertSameLines(withoutCause(found.changes), withoutCause(expected.changes), 'changes')
      }))

    it('of several files as of one', () =>
      withDirectory(async (dir) => {
        const half = Math.floor(events.length / 2)
        const files: [string, string][] = [
          ['one', ndjsonOf(events.slice(0, half))],
          ['two.csv', csvOf(events.slice(half), columns)],
        ]
        assertSameExports(await leftBy(dir, { files, env }), expected)
      }))

    for (const batchSize of [1, 7])
      it(`in batches of ${batchSize} as of 1024`, () =>
        withDirectory(async (dir) => {
          const found = await leftBy(dir, { files: [['events', ndjson(shop.events)]], batchSize, env })
          assertSameExports(found, expected)
          assertSameLines(found.changes, expected.changes, 'changes')
        }))
  })

describe('the time since which a prototype is one', () => {
  for (const [what, first] of [
    ['an ISO time', '2025-01-01T00:00:00Z'],
    ['a number of milliseconds', Date.UTC(2025, 0, 1)],
  ] as const)
    it(`is that of the first event, given as ${what}, also behind records that are none`, () =>
      withDirectory(async (dir) => {
        const labels = join(dir, 'prototypes.ndjson')
        writeFileSync(labels, ndjsonOf([{ user_id: 'u', personas: ['A'] }]))
        const stdin = `nothing\n${JSON.stringify({ ts: '2044-01-01T00:00:00Z' })}\n${ndjsonOf([eventOf({ ts: first })])}`
        await succeed(['replay', '-', '--prototypes', labels, '--data', join(dir, 'data')], { stdin })
        const [answer] = await lines<{ personas: { since: string }[] }>([
          'lookup',
          'u',
          '--data',
          join(dir, 'data'),
        ])
        assert.equal(answer?.personas[0]?.since, '2025-01-01T00:00:00.000Z')
      }))
})

describe('a replay of several files', () => {
  it('does what it can before one that is missing, and goes on from there', () =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, { events: shop.events.slice(0, 300), prototypes: shop.prototypes })
      const late = join(dir, 'late.ndjson')
      const args = ['replay', files.events, late, '--data', join(dir, 'data')]
      const { code, stderr } = await run(args)
      assert.equal(code, 2)
      assert.match(stderr, /^kindred: cannot read .*late\.ndjson: ENOENT[^\n]*\n$/)
      writeFileSync(late, ndjson(shop.events.slice(300, 500)))
      const done = await json(args)
      assert.ok(done.applied === 200 || done.applied === 500)
      assert.equal((await json(args)).events, 0)
    }))
})

async function leftBy(
  dir: string,
  { files, batchSize, env }: { files: [name: string, text: string][]; batchSize?: number; env: Settings },
): Promise<Left> {
  const { prototypes } = writeShop(dir, { events: [], prototypes: shop.prototypes })
  const paths = files.map(([name, text]) => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  })
  const [data, changes] = [join(dir, 'data'), join(dir, 'changes.ndjson')]
  const batches = batchSize === undefined ? [] : ['--batch-size', String(batchSize)]
  const extras = ['--prototypes', prototypes, '--changes', changes, ...batches]
  await succeed(['replay', ...paths, '--data', data, ...extras], { env })
  return { ...(await exportsIn(data, env)), changes: readFileSync(changes, 'utf8') }
}

function withoutCause(changes: string): string[] {
  return changes
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const {
        event_id: _id,
        cause,
        ...rest
      } = JSON.parse(line) as { event_id: string; cause: { event_id: string } }
      return JSON.stringify({ ...rest, cause: cause.event_id })
    })
}
