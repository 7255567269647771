// Server-sent events: nothing is missed or comes twice over reconnects; filters, heartbeats, limits, and who does not read.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { type StreamLimits, streamLimits } from '../../src/http/change-stream.ts'
import { type Api, type ApiOptions, withApi } from '../support/api.ts'
import { EventReader } from '../support/event-stream.ts'
import { until } from '../support/wait.ts'

const quick: StreamLimits = { ...streamLimits, pollMs: 5, heartbeatMs: 20, pageRows: 16 }

async function withStream(
  options: ApiOptions,
  work: (api: Api & { url: string; changes: ChangeEvent[] }) => Promise<void>,
): Promise<void> {
  await withApi({ app: { streams: quick }, ...options }, async (api) => {
    const url = `${await api.app.listen({ host: '127.0.0.1', port: 0 })}/v1/changes/stream`
    const changes = api.rig.store.changes(0, 1_000_000).map(({ json }) => JSON.parse(json) as ChangeEvent)
    await work({ ...api, url, changes })
  })
}

/** Copies of the changes that there are, behind them: what goes on arriving. */
function addChanges({ rig }: Api, count: number): void {
  const rows = rig.store.changes(0, count)
  rig.store.transact((tx) => {
    for (const { userIndex, json } of rows) tx.addChange(userIndex, json)
  })
}

describe('GET /v1/changes/stream', () => {
  it('is an event stream that begins at now, and goes on with what comes', () =>
    withStream({}, async (api) => {
      await using reader = await EventReader.open(api.url)
      assert.match(reader.headers['content-type'] ?? '', /^text\/event-stream/)
      assert.equal(reader.headers['cache-control'], 'no-store')
      await until('it says where it is', () => reader.lastId === String(api.changes.length))
      addChanges(api, 50)
      await until('all have come', () => reader.events.length >= 50)
      assert.deepEqual(
        reader.events.map(({ data }) => JSON.parse(data)),
        api.changes.slice(0, 50),
      )
      assert.equal(reader.lastId, String(api.changes.length + 50))
    }))

  it('resumes by Last-Event-ID: each change once, in order, however often it is cut', () =>
    withStream({}, async (api) => {
      const found: ChangeEvent[] = []
      let last = '0'
      for (let cut = 0; found.length < api.changes.length; cut++) {
        assert.ok(cut < 1000)
        await using reader = await EventReader.open(api.url, { 'last-event-id': last })
        await until('some have come', () => reader.events.length > 0)
        const some = reader.events.slice(0, 1 + (cut % 23)) // the rest was on its way when the line was cut
        found.push(...some.map(({ data }) => JSON.parse(data) as ChangeEvent))
        last = some.at(-1)!.id
      }
      assert.deepEqual(found, api.changes)
      assert.equal(last, String(api.changes.length))
      await using reader = await EventReader.open(`${api.url}?after=${api.changes.length - 3}`)
      await until('the last have come', () => reader.events.length === 3)
    }))

  it('is filtered by personas, and keeps the cursor of who is filtered up to date', () =>
    withStream({}, async (api) => {
      const persona = api.changes.find(({ entered }) => entered.length > 0)!.entered[0]!.persona
      const expected = api.changes.filter(
        ({ entered, exited, primary, previous_primary: previous }) =>
          [...entered, ...exited].some((named) => named.persona === persona) ||
          (primary !== previous && [primary, previous].includes(persona)),
      )
      assert.ok(expected.length > 0 && expected.length < api.changes.length)
      await using reader = await EventReader.open(`${api.url}?after=0&persona=${encodeURIComponent(persona)}`)
      await until('all have come', () => reader.events.length >= expected.length)
      await until('a heartbeat has the end as cursor', () => reader.lastId === String(api.changes.length))
      assert.deepEqual(
        reader.events.map(({ data }) => JSON.parse(data)),
        expected,
      )
      await using none = await EventReader.open(`${api.url}?after=0&persona=no-such&persona=nor-this`)
      await until('it is at the end', () => none.lastId === String(api.changes.length))
      assert.equal(none.events.length, 0)
    }))

  it('sends heartbeats while there is nothing to say', () =>
    withStream({}, async (api) => {
      await using reader = await EventReader.open(api.url)
      await until('three have come', () => reader.comments >= 3)
      assert.equal(reader.events.length, 0)
    }))

  it('tells a client whose place is trimmed away, and ends', () =>
    withStream({}, async (api) => {
      const { feed } = api.ports
      api.ports.feed = (page) => {
        // between two pages of this client, everything up to the middle goes
        if (page.after === 16) api.rig.store.transact((tx) => tx.trimChanges(40))
        return feed(page)
      }
      const reader = await EventReader.open(`${api.url}?after=0`)
      await until('it has ended', () => reader.ended)
      assert.equal(reader.events.length, 17)
      const gone = reader.events.at(-1)!
      assert.equal(gone.event, 'gone')
      assert.deepEqual([JSON.parse(gone.data).status, JSON.parse(gone.data).oldest], [410, 40])
      assert.equal(gone.id, '16', 'its cursor stays what it was')
    }))

  it('is refused past the limit of clients, until one leaves', () =>
    withStream({ app: { streams: { ...quick, clientsMax: 2 } } }, async (api) => {
      const first = await EventReader.open(api.url)
      await using _second = await EventReader.open(api.url)
      const refused = await api.app.inject('/v1/changes/stream')
      assert.equal(refused.statusCode, 503)
      assert.match(String(refused.headers['content-type']), /problem\+json/)
      assert.ok(Number(refused.headers['retry-after']) > 0)
      await first[Symbol.asyncDispose]()
      await until('there is room', async () => {
        const reader = await EventReader.open(api.url).catch(() => undefined)
        await reader?.[Symbol.asyncDispose]()
        return reader !== undefined
      })
    }))

  it('cuts who does not read, without keeping what they do not read, and serves the others meanwhile', () =>
    withStream({ app: { streams: { ...quick, stallMsMax: 100, heartbeatMs: 60_000 } } }, async (api) => {
      const { hostname, port, pathname } = new URL(api.url)
      const sleeper = connect(Number(port), hostname)
      let closed = false
      let got = 0
      sleeper.on('data', (chunk: Buffer) => {
        got += chunk.length
      })
      sleeper.on('error', () => undefined)
      sleeper.on('close', () => {
        closed = true
      })
      sleeper.write(`GET ${pathname}?after=0 HTTP/1.1\r\nHost: x\r\n\r\n`)
      sleeper.pause()
      await using reader = await EventReader.open(`${api.url}?after=0`)
      // more than the buffers between the two take
      for (let n = 0; n < 60; n++) addChanges(api, 400)
      const end = api.rig.store.counters().changes
      await until('the reader has it all', () => reader.lastId === String(end))
      await until('the sleeper is cut', async () => {
        sleeper.resume() // a closed socket is seen as closed once what it had is read
        return closed
      })
      const all = reader.events.reduce((sum, { data }) => sum + data.length, 0)
      assert.ok(got < all / 2, `${got} of ${all} bytes`)
    }))

  it('serves many clients at many places a few at a time: others have their turn between', () =>
    withStream({}, async (api) => {
      const { feed } = api.ports
      let turn = 0
      let over = false
      const next = () => {
        turn++
        if (!over) setImmediate(next)
      }
      setImmediate(next)
      const perTurn = new Map<number, number>()
      api.ports.feed = (page) => {
        if (page.limit > 0) {
          perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1)
          for (const end = performance.now() + 0.5; performance.now() < end; );
        }
        return feed(page)
      }
      const readers = await Promise.all(
        Array.from({ length: 40 }, (_, n) => EventReader.open(`${api.url}?after=${n}`)),
      )
      await until('all have everything', () =>
        readers.every((reader) => reader.lastId === String(api.changes.length)),
      )
      over = true
      for (const [n, reader] of readers.entries()) {
        assert.equal(reader.events.length, api.changes.length - n)
        await reader[Symbol.asyncDispose]()
      }
      assert.ok(Math.max(...perTurn.values()) <= 4, `${Math.max(...perTurn.values())} pages at once`)
    }))

  it('ends when the service does', () =>
    withStream({}, async (api) => {
      const reader = await EventReader.open(api.url)
      await api.app.close()
      await until('it has ended', () => reader.ended)
    }))
})
