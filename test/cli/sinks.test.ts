// sinks: who change events are kept for, how far each has come, and letting one go that is never written again.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { openReader } from '../../src/profiler.ts'
import { json, lines, makeDirectory, removeDirectory, run, succeed } from '../support/command.ts'
import { assertSound } from '../support/exports.ts'
import { serve } from '../support/server.ts'
import { ndjson, smallShop } from '../support/shop-files.ts'
import { until } from '../support/wait.ts'

type Sink = { name: string; next: number; undelivered: number }
type Checks = { checks: { name: string; status: string; detail: string }[] }

const shop = smallShop({ seed: 8, shoppers: 120 })
/** Delivered change events are not kept at all. */
const env = { KINDRED_CHANGES_RETENTION: '0' }

describe('sinks', () => {
  const dir = makeDirectory()
  const [data, file, other] = [join(dir, 'data'), join(dir, 'my changes.ndjson'), join(dir, 'other.ndjson')]
  const [name, otherName] = [`file:${file}`, `file:${other}`]
  const half = Math.floor(shop.events.length / 2)
  const list = () => lines<Sink>(['sinks', 'list', '--data', data], { env })
  const kept = async () => {
    const store = openReader({ dir: data, config: configFrom({}) })
    try {
      return store.changes(0, 1_000_000).length
    } finally {
      await store.close()
    }
  }
  const check = async () =>
    (await json<Checks>(['doctor', '--data', data], { env })).checks.find((one) => one.name === 'sinks')

  before(async () => {
    const [labels, first, second] = ['labels', 'first', 'second'].map((part) => join(dir, `${part}.ndjson`))
    writeFileSync(labels!, ndjson(shop.prototypes))
    writeFileSync(first!, ndjson(shop.events.slice(0, half)))
    writeFileSync(second!, ndjson(shop.events.slice(half)))
    await succeed(['prototypes', 'import', labels!, '--data', data])
    assert.deepEqual(await list(), [])
    assert.match(await succeed(['sinks', 'list', '--data', data]), /^no sink has taken change events yet\n$/)
    assert.deepEqual(await check(), { name: 'sinks', status: 'ok', detail: 'none' })
    await succeed(['replay', first!, '--data', data, '--changes', file], { env })
    await succeed(['replay', second!, '--data', data, '--changes', other], { env })
  })
  after(() => removeDirectory(dir))

  it('are listed with the change event that each takes next, and how many it lacks', async () => {
    const store = openReader({ dir: data, config: configFrom({}) })
    const { changes } = store.counters()
    await store.close()
    const all = await list()
    assert.deepEqual(all.map((sink) => sink.name).sort(), [name, otherName].sort())
    const [stale, live] = [name, otherName].map((each) => all.find((sink) => sink.name === each)!)
    assert.deepEqual([live!.next, live!.undelivered], [changes, 0])
    assert.ok(stale!.next < changes && stale!.undelivered === changes - stale!.next)
    assert.equal(await kept(), stale!.undelivered, 'kept for the one that is behind')
    const text = await succeed(['sinks', 'list', '--data', data])
    assert.match(text, /^file:\/.*my changes\.ndjson {2}next change [\d,]+, [\d,]+ undelivered$/m)
  })

  it('that hold back more than the retention are named by doctor', async () => {
    const { status, detail } = (await check())!
    assert.equal(status, 'warn')
    assert.ok(detail.includes(JSON.stringify(name)) && !detail.includes(otherName), detail)
    assert.match(detail, /kindred sinks drop NAME/)
    const { checks } = await json<Checks>(['doctor', '--data', data])
    assert.equal(
      checks.find((one) => one.name === 'sinks')!.status,
      'ok',
      'the retention is larger by default',
    )
  })

  it('are dropped by their whole name alone', async () => {
    for (const wrong of ['my changes.ndjson', file, `${name}x`, '']) {
      const { code, stdout, stderr } = await run(['sinks', 'drop', wrong, '--data', data])
      assert.deepEqual([code, stdout], [2, ''], wrong)
      assert.match(stderr, /^kindred: no sink of [^\n]+ is named [^\n]+`kindred sinks list [^\n]+\n$/)
    }
    assert.equal((await run(['sinks', 'drop', '--data', data])).code, 2)
    assert.equal((await list()).length, 2)
  })

  it('that are being written are there again, and lack nothing', async () => {
    const server = await serve(data, { args: ['--changes', other] })
    const { applied_by } = await json(['sinks', 'drop', otherName, '--data', data])
    assert.match(String(applied_by), /kindred serve/)
    const user = shop.prototypes[0]!
    const { user_id } = JSON.parse(user) as { user_id: string }
    const before = readFileSync(other, 'utf8').length
    await succeed(['erase', user_id, '--data', data])
    assert.equal((await server.stop()).code, 0)
    const again = (await list()).find((sink) => sink.name === otherName)
    assert.equal(again?.undelivered, 0)
    assert.ok(readFileSync(other, 'utf8').length > before, 'it was written on')
  })

  it('that are dropped hold nothing back, and the others go on', async () => {
    const [{ undelivered } = { undelivered: 0 }] = (await list()).filter((sink) => sink.name === name)
    const dropped = await json(['sinks', 'drop', name, '--data', data], { env })
    assert.deepEqual(dropped, { name, dropped: true, undelivered, applied_by: 'this command' })
    await until('nothing is kept', async () => (await kept()) === 0)
    assert.deepEqual(
      (await list()).map((sink) => sink.name),
      [otherName],
    )
    assert.equal((await check())!.status, 'ok')
    const again = await run(['sinks', 'drop', name, '--data', data])
    assert.equal(again.code, 2, 'it is not there any more')
    await assertSound(data)
  })

  it('that were dropped are not taken up where they ended: what came after is gone', async () => {
    const { code, stderr } = await run(['replay', '-', '--data', data, '--changes', file], { env })
    assert.equal(code, 2)
    assert.match(stderr, /does not hold; name another file for --changes\n$/)
  })
})
