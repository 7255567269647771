// What the lean lookup writes by itself, on the wire: heads like the server's own, and connections that go on as ever.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ServerLimits, serverLimits } from '../../src/http/hardening.ts'
import { HttpMeter } from '../../src/metrics/http-meter.ts'
import { Metrics } from '../../src/metrics/registry.ts'
import { type Api, withApi } from '../support/api.ts'
import { type Answer, AnswerReader } from '../support/http-answers.ts'
import { pipelined, raw } from '../support/pipelined.ts'
import { until } from '../support/wait.ts'

/** Bytes of answers that wait in a socket: what Node lets wait, and what one read of requests may add. */
const waitingBytesMax = 256 * 1024

type Place = Api & {
  readonly port: number
  readonly ids: readonly string[]
  readonly http: HttpMeter
  /** Requests that the framework has answered. */
  readonly routed: () => number
}

/** A server that listens, with some of the users that it knows and its counts of requests. */
async function withServer(work: (place: Place) => Promise<void>, server: ServerLimits = serverLimits) {
  const http = new HttpMeter()
  const observed = { http, metrics: new Metrics([]) }
  await withApi({ app: { server, observed } }, async (api) => {
    let routed = 0
    api.app.addHook('onSend', (_request, _reply, _payload, done) => {
      routed++
      done()
    })
    await api.app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = api.app.server.address() as AddressInfo
    const ids = [...api.rig.store.users()].slice(0, 50).map((index) => api.rig.store.user(index)!.userId)
    await work({ ...api, port, ids, http, routed: () => routed })
  })
}

const pathOf = (id: string) => `/v1/users/${encodeURIComponent(id)}/personas`

/** A request that the lean lookup takes; with a header that leaves it to the route, whose answer is the same. */
function wire(id: string, { headers = '', version = '1.1' } = {}) {
  const bytes = Buffer.from(`GET ${pathOf(id)} HTTP/${version}\r\nhost: a\r\n${headers}\r\n`)
  return { method: 'GET', bytes }
}
const byRoute = { headers: 'accept-version: 1\r\n' }
const idOf = ({ body }: Answer) => (JSON.parse(body) as { user_id: string }).user_id

/** A batch as it goes out. */
function batchWire(ids: readonly string[], { headers = '' } = {}) {
  const body = JSON.stringify({ user_ids: ids })
  const bytes = Buffer.from(
    `POST /v1/users/personas HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  return { method: 'POST', bytes }
}
const idsOf = ({ body }: Answer) =>
  (JSON.parse(body) as { users: { user_id: string }[] }).users.map(({ user_id }) => user_id)

/** Answers to come on a socket, as many as are asked for. */
async function answersFrom(socket: Socket, count: number): Promise<Answer[]> {
  const reader = new AnswerReader()
  const answers: Answer[] = []
  const take = (chunk: Buffer) => {
    reader.push(chunk)
    for (let next = reader.next('GET'); next !== undefined; next = reader.next('GET')) answers.push(next)
  }
  socket.on('data', take).resume()
  while (answers.length < count) await once(socket, 'data')
  socket.off('data', take)
  assert.equal(answers.length, count)
  return answers
}

describe('the lean lookup on the wire', () => {
  it('says all that the server says by itself', () =>
    withServer(async ({ port, ids }) => {
      for (const headers of ['', 'connection: keep-alive\r\n']) {
        const [lean, route] = await pipelined(port, [
          wire(ids[0]!, { headers }),
          wire(ids[0]!, { headers: headers + byRoute.headers }),
        ])
        const { date, 'x-request-id': _lean, ...others } = lean!.headers
        const { date: theirs, 'x-request-id': _route, ...expected } = route!.headers
        assert.deepEqual(others, expected)
        assert.equal(lean!.body, route!.body)
        assert.match(expected['keep-alive']!, /^timeout=\d+$/)
        assert.match(date!, /^(\w{3}), \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/)
        assert.ok(Math.abs(Date.parse(date!) - Date.parse(theirs!)) <= 1000)
      }
      await sleep(1100)
      const [later] = await pipelined(port, [wire(ids[0]!)])
      assert.ok(Math.abs(Date.parse(later!.headers.date!) - Date.now()) <= 1100, 'a date of its second')
    }))

  it('answers each in turn on connections that it shares with the routes, pipelined and one by one', () =>
    withServer(async ({ port, ids, http }) => {
      const asked = Array.from({ length: 600 }, (_, n) => ids[(n * 7) % ids.length]!)
      const mixed = asked.map((id, n) => wire(id, n % 3 === 1 ? byRoute : {}))
      assert.deepEqual((await pipelined(port, mixed)).map(idOf), asked)
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      for (const [n, { bytes }] of mixed.entries()) {
        socket.write(bytes.subarray(0, 20)) // requests come in parts, too
        socket.write(bytes.subarray(20))
        assert.equal(idOf((await answersFrom(socket, 1))[0]!), asked[n])
      }
      socket.destroy()
      const times = http.route('GET', '/v1/users/:id/personas').byStatus.get(200)!
      assert.equal(
        times.counts.reduce((sum, count) => sum + count),
        2 * asked.length,
      )
      assert.equal(http.inFlight, 0)
    }))

  it('answers batches in turn among others, whole, in parts and pipelined', () =>
    withServer(async ({ port, ids, http, app, routed }) => {
      const some = (n: number) => Array.from({ length: 1 + (n % 40) }, (_, i) => ids[(n + i) % ids.length]!)
      const mixed = Array.from({ length: 400 }, (_, n) => {
        const own = n % 3 === 1 ? byRoute : {}
        return n % 2 === 0 ? batchWire(some(n), own) : wire(ids[n % ids.length]!, own)
      })
      const all = await pipelined(port, mixed)
      for (const [n, answer] of all.entries())
        assert.deepEqual(
          n % 2 === 0 ? idsOf(answer) : [idOf(answer)],
          n % 2 === 0 ? some(n) : [ids[n % ids.length]],
        )
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      const { bytes } = batchWire(some(7))
      const cuts = Array.from({ length: bytes.length }, (_, cut) => cut)
      const bodyAt = bytes.indexOf('\r\n\r\n') + 4
      for (const cut of cuts) {
        const before = routed()
        const seen = once(app.server, 'request')
        socket.write(bytes.subarray(0, cut))
        if (cut >= bodyAt) await seen // the rest comes by itself
        socket.write(bytes.subarray(cut))
        assert.deepEqual(idsOf((await answersFrom(socket, 1))[0]!), some(7))
        assert.equal(routed() - before, cut >= bodyAt ? 1 : 0, 'a body in parts is the route’s')
      }
      for (const padded of [15, 16, 17, 40, 63, 64, 65, 90].map((kilobytes) =>
        ' '.repeat(kilobytes * 1024),
      )) {
        const body = `{"user_ids":${padded}["${ids[1]}"]}`
        socket.write(
          `POST /v1/users/personas HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        )
        assert.deepEqual(idsOf((await answersFrom(socket, 1))[0]!), [ids[1]])
        socket.write(wire(ids[2]!).bytes)
        assert.equal(idOf((await answersFrom(socket, 1))[0]!), ids[2], 'the connection goes on')
      }
      socket.destroy()
      const times = http.route('POST', '/v1/users/personas').byStatus.get(200)!
      assert.equal(
        times.counts.reduce((sum, count) => sum + count),
        200 + cuts.length + 8,
      )
      assert.equal(http.inFlight, 0)
    }))

  it('keeps no more waiting than the server does for one who does not read, and loses none of it', () =>
    withServer(async ({ port, ids, app }) => {
      let served: Socket | undefined
      app.server.once('connection', (socket) => {
        served = socket
      })
      const asked = Array.from({ length: 30_000 }, (_, n) => ids[n % ids.length]!)
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.pause()
      socket.write(Buffer.concat(asked.map((id) => wire(id).bytes)))
      let most = 0
      for (const end = Date.now() + 1500; Date.now() < end; await sleep(10))
        most = Math.max(most, served?.writableLength ?? 0)
      assert.ok(most > 0 && most <= waitingBytesMax, `${most} bytes wait`)
      assert.deepEqual((await answersFrom(socket, asked.length)).map(idOf), asked)
      socket.destroy()
    }))

  it('closes where it is asked to, and what is kept without a request', () =>
    withServer(
      async ({ port, ids }) => {
        for (const one of [
          wire(ids[0]!, { headers: 'connection: close\r\n' }),
          wire(ids[0]!, { version: '1.0' }),
        ]) {
          const [answer] = await raw(port, one.bytes)
          assert.equal(answer!.headers.connection, 'close')
          assert.equal(idOf(answer!), ids[0])
        }
        const half = await raw(port, Buffer.concat([wire(ids[1]!).bytes, wire(ids[2]!).bytes]))
        assert.deepEqual(half.map(idOf), [ids[1], ids[2]], 'a client that ends its side has its answers')
        const idle = connect(port, '127.0.0.1', () => idle.write(wire(ids[0]!).bytes))
        await answersFrom(idle, 1)
        const began = performance.now()
        idle.resume()
        await once(idle, 'close')
        assert.ok(performance.now() - began < 5_000, 'an idle connection is closed')
      },
      { ...serverLimits, idleMs: 200, checkMs: 50 },
    ))

  it('goes on when clients break off at any point', () =>
    withServer(async ({ port, ids, app, http }) => {
      const closed: Promise<unknown>[] = []
      app.server.on('connection', (socket) => closed.push(new Promise((done) => socket.once('close', done))))
      const many = Buffer.concat(ids.flatMap((id) => [wire(id).bytes, batchWire([id, ids[0]!]).bytes]))
      for (let n = 0; n < 60; n++) {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => undefined)
        await once(socket, 'connect')
        socket.write(many.subarray(0, (n * 997) % many.length))
        if (n % 2 === 0) await sleep(n % 5)
        socket.resetAndDestroy()
      }
      await Promise.all(closed)
      const [answer] = await pipelined(port, [wire(ids[3]!)])
      assert.equal(idOf(answer!), ids[3])
      await until('all are done with', () => http.inFlight === 0)
    }))

  it('holds no server open that ends', () =>
    withServer(async ({ port, ids, app }) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(wire(ids[0]!).bytes))
      await answersFrom(socket, 1)
      const [, ended] = await Promise.all([app.close(), once(socket.resume(), 'close')])
      assert.deepEqual(ended, [false])
    }))
})
