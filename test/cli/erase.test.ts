// erase: nothing of the user is left to be read, in answers, outbox, log and quarantine; the others are as if never met.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { openLog, openReader } from '../../src/profiler.ts'
import { json, lines, run, succeed, withDirectory } from '../support/command.ts'
import { csvOf, eventOf, ndjsonOf } from '../support/events.ts'
import { assertSound } from '../support/exports.ts'
import { serve } from '../support/server.ts'
import { smallShop, writeShop } from '../support/shop-files.ts'

const shop = smallShop({ seed: 17, shoppers: 80 })
const columns = ['event_id', 'user_id', 'product_id', 'type', 'quantity', 'ts', 'title']

describe('erase', () => {
  for (const whose of ['a shopper', 'a prototype'] as const)
    it(`leaves nothing of ${whose}, in state, outbox, log and quarantine`, () =>
      withDirectory(async (dir) => {
        const files = writeShop(dir, shop)
        const data = join(dir, 'data')
        const user = whose === 'a prototype' ? labelled()[0]! : busiest()
        const bad = [eventOf({ user_id: user, ts: 'never' }), eventOf({ user_id: 'other', ts: 'never' })]
        const cut = JSON.stringify(eventOf({ user_id: user })).slice(0, -20)
        const more = join(dir, 'more.ndjson')
        writeFileSync(more, `${ndjsonOf(bad)}${cut}\n${JSON.stringify([eventOf({ user_id: user })])}\n`)
        const csv = join(dir, 'more.csv')
        const row = eventOf({ event_id: 'csv', user_id: user, title: 'a, "b"' })
        writeFileSync(csv, csvOf([row, { ...row, event_id: 'bad', ts: '?' }], columns))
        await succeed(['replay', files.events, more, csv, '--data', data, '--prototypes', files.prototypes])
        assert.ok((await traces(data, user)).length > 5, 'there was something to erase')
        const erased = await json(['erase', user, '--data', data])
        assert.deepEqual(erased, { user_id: user, erased: true, applied_by: 'this command' })
        assert.deepEqual(await traces(data, user), [])
        const left = await lines<{ text: string }>(['quarantine', 'list', '--data', data])
        assert.equal(left.length, 1, 'what is of somebody else stays')
        assert.equal((await run(['lookup', user, '--data', data])).code, 1)
        await assertSound(data)
        const again = await run(['erase', user, '--data', data])
        assert.equal(again.code, 1)
        assert.match(again.stderr, /^kindred: .*never seen.*erased already.*\n$/)
        await succeed(['replay', files.events, '--data', data])
        assert.deepEqual(await traces(data, user), [], 'the same file does not bring it back')
      }))

  it('reaches a user of whom nothing but quarantined records is known', () =>
    withDirectory(async (dir) => {
      const stdin = ndjsonOf([eventOf({ user_id: 'bob', ts: 'never' }), eventOf({ user_id: 'amy' })])
      await succeed(['replay', '-', '--data', dir], { stdin })
      assert.equal((await traces(dir, 'bob')).length, 2)
      await succeed(['erase', 'bob', '--data', dir])
      assert.deepEqual(await traces(dir, 'bob'), [])
      assert.ok((await traces(dir, 'amy')).length > 0)
    }))

  it('reaches records that nobody can read, whatever is in the id', () =>
    withDirectory(async (dir) => {
      const user = 'x : "y"'
      const torn = (spaced: string) => `{"event_id":"e","user_id"${spaced}${JSON.stringify(user)},"product`
      await succeed(['replay', '-', '--data', dir], { stdin: `${torn(':')}\n${torn(' : ')}\n${torn('')}\n` })
      await succeed(['erase', user, '--data', dir])
      const left = await lines<{ text: string }>(['quarantine', 'list', '--data', dir])
      assert.deepEqual(
        left.map(({ text }) => text),
        [torn('')],
        'no name of a user',
      )
      assert.equal(recordsOf(dir).filter((text) => text.startsWith('{"event_id"')).length, 1)
    }))

  it('takes no record of another user, although a field of it says the same', () =>
    withDirectory(async (dir) => {
      const events = [
        eventOf({ event_id: '1', user_id: '7', quantity: 1 }),
        eventOf({ event_id: '2', user_id: 'amy', product_id: '7', quantity: 7, ts: '?' }),
        eventOf({ event_id: '3', user_id: 'amy', product_id: 'p', quantity: 7, title: '7' }),
      ]
      await succeed(['replay', '-', '--data', dir], { stdin: csvOf(events, columns) })
      await succeed(['erase', '7', '--data', dir])
      const left = await lines<{ text: string }>(['quarantine', 'list', '--data', dir])
      assert.equal(left.length, 1, 'the quarantined record of amy')
      assert.equal(recordsOf(dir).filter((text) => text.includes('amy')).length, 2, 'the log records of amy')
    }))

  it('through a running server answers 404 at once, and the file of changes tells of no change after', () =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, shop)
      const [data, changes] = [join(dir, 'data'), join(dir, 'changes.ndjson')]
      await succeed(['replay', files.events, '--data', data, '--prototypes', files.prototypes])
      const user = busiest()
      const server = await serve(data, { args: ['--changes', changes] })
      assert.equal((await server.lookUp(user)).status, 200)
      const { applied_by } = await json(['erase', user, '--data', data])
      assert.match(String(applied_by), /kindred serve/)
      assert.equal((await server.lookUp(user)).status, 404)
      assert.equal((await server.stop()).code, 0)
      const after = readFileSync(changes, 'utf8').split('\n').length
      await succeed(['replay', files.events, '--data', data, '--changes', changes])
      assert.equal(
        readFileSync(changes, 'utf8').split('\n').length,
        after,
        'the file goes on behind its last line',
      )
      assert.deepEqual(await traces(data, user), [])
      await assertSound(data)
    }))

  it('lets the user come back as somebody new', () =>
    withDirectory(async (dir) => {
      const one = (n: number) => ndjsonOf([eventOf({ event_id: `e${n}`, user_id: 'amy' })])
      await succeed(['replay', '-', '--data', dir], { stdin: one(1) })
      await succeed(['erase', 'amy', '--data', dir])
      await succeed(['replay', '-', '--data', dir], { stdin: one(2) })
      const [edge] = await lines(['export', 'graph', '--data', dir])
      assert.equal(edge?.net_quantity, 1, 'what was before is gone')
      assert.ok(recordsOf(dir).some((text) => text.includes('amy')))
      await assertSound(dir)
    }))
})

/** Where `user` can still be read, through the store's and the log's own readers. */
async function traces(dir: string, user: string): Promise<string[]> {
  const store = openReader({ dir, config: configFrom({}) })
  const says = (text: string) => text.includes(JSON.stringify(user).slice(1, -1))
  try {
    const { changes, version } = store.counters()
    const labels = [...store.labels(version)].map(
      ({ userIndex }) => store.user(userIndex)?.userId ?? 'nobody',
    )
    return [
      ...(store.userIndexOf(user) === undefined ? [] : ['state']),
      ...labels.filter((id) => id === user || id === 'nobody').map(() => 'label'),
      ...store
        .changes(0, changes)
        .filter(({ json: text }) => says(text))
        .map(({ number }) => `change ${number}`),
      ...store
        .quarantinedRecords(0, 1000)
        .filter(({ bytes }) => says(Buffer.from(bytes).toString('utf8')))
        .map(({ id }) => `quarantine ${id}`),
      ...store.scrubs().map(() => 'scrub'),
      ...recordsOf(dir)
        .filter(says)
        .map((text) => `log ${text.slice(0, 80)}`),
    ]
  } finally {
    await store.close()
  }
}

/** The texts of all records that the log holds. */
function recordsOf(dir: string): string[] {
  const log = openLog({ dir, config: configFrom({}) })
  const texts: string[] = []
  for (let next = 0; ; ) {
    const batch = log.read(next, 1000)
    if (batch === undefined) break
    texts.push(...batch.records.map(({ text }) => text))
    next = batch.next
  }
  void log.close()
  return texts
}

function labelled(): string[] {
  return shop.prototypes.map((line) => (JSON.parse(line) as { user_id: string }).user_id)
}

/** The unlabelled user with most events. */
function busiest(): string {
  const counts = new Map<string, number>()
  for (const line of shop.events) {
    const { user_id } = JSON.parse(line) as { user_id: string }
    if (!labelled().includes(user_id)) counts.set(user_id, (counts.get(user_id) ?? 0) + 1)
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0]
}
