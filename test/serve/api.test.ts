// The API of a real `serve`: batch, explanation, the stream over a kill, erasure, quarantine and OpenRTB by a mapping file.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { json, makeDirectory, removeDirectory, run, succeed } from '../support/command.ts'
import { EventReader } from '../support/event-stream.ts'
import { eventOf, ndjsonOf } from '../support/events.ts'
import { assertSound } from '../support/exports.ts'
import { type Server, serve } from '../support/server.ts'
import { type ShopFiles, smallShop, writeShop } from '../support/shop-files.ts'
import { until } from '../support/wait.ts'

const shop = smallShop({ seed: 29, shoppers: 120 })
const events = shop.events.map((line) => JSON.parse(line) as { user_id: string })
const labelled = new Set(shop.prototypes.map((line) => (JSON.parse(line) as { user_id: string }).user_id))
const shoppers = [...new Set(events.map(({ user_id }) => user_id))].filter((user) => !labelled.has(user))
const at = (user: string) => `/v1/users/${encodeURIComponent(user)}`

/** What these tests read of answers. */
type Body = {
  readonly users: readonly { user_id?: string; status?: string }[]
  readonly user_id: string
  readonly known: boolean
  readonly tried: boolean
  readonly released: boolean
  readonly cause: string
}

describe('the API of a running service', () => {
  let dir: string
  let data: string
  let files: ShopFiles
  let server: Server

  before(async () => {
    dir = makeDirectory()
    data = join(dir, 'data')
    files = writeShop(dir, shop)
    const mapping = join(dir, 'openrtb.json')
    writeFileSync(mapping, JSON.stringify({ data: [{ name: 'shop.example', segtax: 600 }] }))
    await succeed(['replay', files.events, '--data', data, '--prototypes', files.prototypes])
    await succeed(['replay', '-', '--data', data], { stdin: `{"half\n${ndjsonOf([eventOf({ ts: '?' })])}` })
    server = await serve(data, { env: { KINDRED_OPENRTB_MAPPING: mapping } })
  })
  after(async () => {
    await server.stop()
    removeDirectory(dir)
  })

  const ask = async (method: string, path: string, body?: unknown) => {
    const init =
      body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const response = await fetch(server.url + path, { method, ...init })
    return { status: response.status, headers: response.headers, body: (await response.json()) as Body }
  }

  /** The last shopper who is inferred. */
  const inferred = async () => {
    const { body } = await ask('POST', '/v1/users/personas', { user_ids: shoppers })
    return body.users.findLast(({ status }) => status === 'inferred')!.user_id!
  }

  it('answers a batch as it answers each', async () => {
    const user_ids = [...shoppers, 'nobody']
    const { status, body } = await ask('POST', '/v1/users/personas', { user_ids })
    assert.equal(status, 200)
    for (const [i, user] of shoppers.entries())
      assert.deepEqual(body.users[i], { found: true, ...(await server.lookUp(user)).body })
    assert.deepEqual(body.users.at(-1), { found: false, user_id: 'nobody' })
  })

  it('explains as the command does, and draws it', async () => {
    const user = await inferred()
    const { body } = await server.get(`${at(user)}/explanation`)
    assert.deepEqual(body, await json(['explain', user, '--data', data]))
    const graph = (await server.get(`${at(user)}/explanation?format=graph`)).body
    assert.ok((graph.edges as unknown[]).length > 0)
    const gexf = await fetch(`${server.url}${at(user)}/explanation?format=gexf`)
    assert.match(await gexf.text(), /<gexf /)
  })

  it('counts who holds what, and lists them', async () => {
    const { personas } = (await server.get('/v1/personas')).body as {
      personas: { name: string; users: number }[]
    }
    const [{ name, users }] = personas.toSorted((a, b) => b.users - a.users) as [(typeof personas)[0]]
    const page = (await server.get(`/v1/personas/${encodeURIComponent(name)}/users?limit=1000`)).body
    assert.ok(users > 0)
    assert.equal((page.users as unknown[]).length, users)
  })

  it('speaks OpenRTB by the mapping file, and of staleness only while it is stale', async () => {
    const { body, headers } = await server.get(`${at(await inferred())}/openrtb`)
    const [object] = body.data as [{ name: string; ext: object }]
    assert.deepEqual([object.name, object.ext], ['shop.example', { segtax: 600 }])
    assert.equal(headers.get('x-kindred-stale'), null)
  })

  it('tries quarantined records again', async () => {
    const { records } = (await server.get('/v1/quarantine')).body as {
      records: { id: number; text: string }[]
    }
    assert.equal(records.length, 2)
    const { status, body } = await ask('POST', `/v1/quarantine/${records[0]!.id}/replay`)
    assert.deepEqual([status, body.tried, body.released], [200, true, false])
    assert.match(body.cause, /not JSON/)
    assert.equal((await ask('POST', '/v1/quarantine/99/replay')).status, 404)
  })

  it('streams changes over a kill: who comes back with the last id has each once', async () => {
    const end = (await server.get('/v1/changes?limit=1000')).body.cursor as number
    const found: ChangeEvent[] = []
    const take = (reader: EventReader) => {
      found.push(...reader.events.map(({ data: text }) => JSON.parse(text) as ChangeEvent))
      return reader.lastId
    }
    const first = await EventReader.open(`${server.url}/v1/changes/stream`)
    await until('it is where it begins', () => first.lastId !== '')
    await server.post(shop.events.slice(0, 200).map((line, n) => renamed(line, `again-${n}`)))
    await until('some have come', () => first.events.length > 20)
    await server.kill()
    await until('it is cut', () => first.ended)
    const last = take(first)
    server = await serve(data)
    await server.post(shop.events.slice(200, 400).map((line, n) => renamed(line, `more-${n}`)))
    await until('all is applied', async () => (await server.get('/readyz')).body.backlog === 0)
    const second = await EventReader.open(`${server.url}/v1/changes/stream`, { 'last-event-id': last })
    const target = String(await cursorOf(server, end))
    await until('the rest has come', () => second.lastId === target)
    take(second)
    await second[Symbol.asyncDispose]()
    const expected: ChangeEvent[] = []
    for (let after = end, more = true; more; ) {
      const page = (await server.get(`/v1/changes?limit=1000&after=${after}`)).body
      expected.push(...(page.changes as ChangeEvent[]))
      after = page.cursor as number
      more = page.more as boolean
    }
    assert.deepEqual(found, expected)
    assert.ok(expected.length > 40)
  })

  it('beside a standby: that one answers, says that its ingest is down, and hands erasures to the writer', async () => {
    const standby = await serve(data, { args: ['--standby'] })
    const user = await inferred()
    const { body, headers } = await standby.get(`${at(user)}/openrtb`)
    assert.deepEqual([body.status, headers.get('x-kindred-stale')], ['inferred', 'down'])
    assert.match(headers.get('age') ?? '', /^\d+$/)
    const erased = await fetch(`${standby.url}${at(user)}`, { method: 'DELETE' })
    assert.deepEqual([erased.status, ((await erased.json()) as Body).known], [200, true])
    for (const each of [server, standby]) assert.equal((await each.lookUp(user)).status, 404)
    assert.equal((await standby.stop()).code, 0)
  })

  it('erases with a receipt: 404 at once, nothing in the feed, the state as sound as before', async () => {
    mkdirSync(join(data, 'labelling'), { recursive: true })
    const changed = (await server.get('/v1/changes?limit=1000')).body.changes as ChangeEvent[]
    const { user_id: user } = changed.find(({ user_id }) => shoppers.includes(user_id))!
    const { status, body } = await ask('DELETE', at(user))
    assert.ok(status === 200 || status === 202)
    assert.deepEqual([body.user_id, body.known], [user, true])
    for (const route of ['personas', 'explanation', 'changes', 'openrtb'])
      assert.equal((await server.get(`${at(user)}/${route}`)).status, 404, route)
    await until('it is applied', async () => (await server.get('/readyz')).body.backlog === 0)
    const left = (await server.get('/v1/changes?limit=1000')).body.changes as ChangeEvent[]
    assert.ok(!left.some(({ user_id }) => user_id === user))
    assert.ok((await run(['erase', user, '--data', data])).stderr.includes('never seen'))
    assert.equal((await server.stop()).code, 0)
    await assertSound(data)
    server = await serve(data)
  })

  it('says so when the mapping is none', async () => {
    const bad = join(dir, 'bad.json')
    writeFileSync(bad, '{"data":[]}')
    for (const [path, says] of [
      [bad, /KINDRED_OPENRTB_MAPPING: data/],
      [join(dir, 'none.json'), /KINDRED_OPENRTB_MAPPING: .*ENOENT/],
    ] as const) {
      const env = { KINDRED_OPENRTB_MAPPING: path }
      const { code, stderr } = await run(['serve', '--port', '0', '--data', join(dir, 'other')], { env })
      assert.equal(code, 2)
      assert.match(stderr, says)
    }
  })
})

/** The event as one of somebody else, under another id. */
function renamed(line: string, event_id: string): object {
  const event = JSON.parse(line) as { user_id: string }
  return { ...event, event_id, user_id: `${event.user_id} again` }
}

async function cursorOf(server: Server, after: number): Promise<number> {
  for (let cursor = after; ; ) {
    const { body } = await server.get(`/v1/changes?limit=1000&after=${cursor}`)
    cursor = body.cursor as number
    if (body.more !== true) return cursor
  }
}
