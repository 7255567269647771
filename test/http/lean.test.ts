// The lean lookups are the routes': over a socket, where they stand in front of the framework, every request is answered as
// the route alone answers it, to the headers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SecurityOptions } from '../../src/http/security.ts'
import { HttpMeter } from '../../src/metrics/http-meter.ts'
import { Metrics } from '../../src/metrics/registry.ts'
import { type Api, eventsOf, withApi } from '../support/api.ts'

/** Without `.` and `..`, which asking the route alone takes for steps of the path; test/http/ids has them. */
const odd = [
  'a b',
  'ä@x.de',
  '100%',
  '%2F',
  "o'neil",
  '...',
  'x/y',
  '家',
  'a?b=c',
  '\u0000',
  '~!$&()*+,=:@-_.',
]
const tokens = new Map([
  ['bid', 'lookup'],
  ['all', 'admin'],
  ['in', 'ingest'],
] as const)
const security: SecurityOptions = {
  required: () => true,
  find: (authorization) => {
    const token = /^bearer (.*)$/i.exec(authorization)?.[1]?.trim() ?? ''
    const scope = tokens.get(token as 'bid')
    return scope && { id: token, name: token, scopes: [scope], hash: '', created_at: '' }
  },
  requestsPerSecond: 0,
  now: () => 0,
}
const bid = { authorization: 'Bearer bid' }

type Asked = {
  readonly path: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
}
type Told = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }

describe('a lookup over a socket', () => {
  it('is answered as by the route alone, whatever is asked', () =>
    withApi({ events: eventsOf(odd), app: { security } }, async (api) => {
      await api.app.listen({ port: 0, host: '127.0.0.1' })
      const ids = [...odd, ...knownUsers(api), 'nobody', 'x'.repeat(257), '']
      const raw = ['%', '%ff', '%zz', '%C3', 'a%', '%252F', 'a;b', 'a%00', 'A%41']
      const paths = [...ids.map((id) => encodeURIComponent(id)), ...raw].map(
        (id) => `/v1/users/${id}/personas`,
      )
      const asked: Asked[] = [
        ...paths.map((path) => ({ path, headers: bid })),
        ...[`${paths[0]}?x=1`, `${paths[0]}/`, `/${paths[0]}`, '/v1/users/personas'].map((path) => ({
          path,
          headers: bid,
        })),
        ...['Bearer all', 'Bearer in', 'Bearer none', 'bearer bid', 'Bearer  bid ', 'Basic bid', 'bid'].map(
          (authorization) => ({ path: paths[0]!, headers: { authorization } }),
        ),
        { path: paths[0]! },
        { path: paths[0]!, headers: { ...bid, 'content-encoding': 'gzip' } },
        { path: paths[0]!, method: 'HEAD', headers: bid },
        { path: paths[0]!, method: 'POST', headers: bid },
        { path: paths[0]!, headers: { ...bid, 'x-request-id': 'mine' } },
        { path: paths[0]!, headers: { ...bid, 'x-request-id': 'not an id' } },
        { path: paths[0]!, headers: { ...bid, 'accept-version': '2' } },
      ]
      for (const stale of [false, true]) {
        api.ports.ingestProblem = () => (stale ? 'it is down' : undefined)
        await sleep(5) // staleness is looked at once in a millisecond
        for (const one of asked)
          assert.deepEqual(
            comparable(await overSocket(api, one)),
            comparable(await byRoute(api, one)),
            show(one),
          )
      }
    }))

  it('of a batch is as well', () =>
    withApi({ events: eventsOf(odd), app: { security } }, async (api) => {
      let routed = 0
      api.app.addHook('onSend', (_request, _reply, _payload, done) => {
        routed++
        done()
      })
      await api.app.listen({ port: 0, host: '127.0.0.1' })
      const known = knownUsers(api)
      const json = { 'content-type': 'application/json' }
      const batch = (body: unknown, headers: Record<string, string> = {}): Asked => ({
        path: '/v1/users/personas',
        method: 'POST',
        headers: { ...bid, ...json, ...headers },
        body: Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body),
      })
      const ids = { user_ids: known }
      const lean = [
        batch(ids),
        batch({ user_ids: [...odd, 'nobody', known[0], known[0], '\u0001"\\'] }),
        batch({ user_ids: Array.from({ length: 1000 }, (_, n) => known[n % known.length]) }),
        batch(` ${JSON.stringify({ user_ids: odd })}\r\n`),
        batch('{"user_ids":["first"],"user_ids":["second"]}'),
        batch(ids, { authorization: 'Bearer all' }),
        batch(ids, { 'x-request-id': 'mine' }),
        batch(ids, { 'content-type': 'Application/JSON; charset=UTF-8' }),
      ]
      const byRouteAlone = [
        ...[
          '',
          '{',
          'null',
          '7',
          '[]',
          '[["a"]]',
          '"user_ids"',
          '{}',
          '{"user_ids":"a"}',
          '{"user_ids":null}',
        ],
        ...['{"user_ids":["a"],"__proto__":{}}', '{"user_ids":["a"],"more":1}', '\ufeff{"user_ids":["a"]}'],
        ...[
          [],
          [''],
          [1],
          [null],
          ['\ud800'],
          ['x'.repeat(257)],
          ['é'.repeat(129)],
          Array(1001).fill('a'),
        ].map((user_ids) => JSON.stringify({ user_ids })),
        `{"user_ids":["a"]}${' '.repeat(70_000)}`,
      ].map((body) => batch(body))
      byRouteAlone.push(
        batch(Buffer.concat([Buffer.from('{"user_ids":["a'), Buffer.of(0xff, 0xc3), Buffer.from('"]}')])),
        batch(`{"user_ids":${'['.repeat(64)}${']'.repeat(64)}}`),
        batch({ user_ids: Array(4_097).fill(1) }),
        batch(ids, { 'content-encoding': 'gzip' }),
        batch(ids, { 'content-encoding': 'identity' }),
        ...['Bearer in', 'Bearer none', 'Basic bid', ''].map((authorization) =>
          batch(ids, { authorization }),
        ),
        ...['text/plain', 'application/json5', 'application/json; charset=latin1', ''].map((type) =>
          batch(ids, { 'content-type': type }),
        ),
        batch(ids, { 'accept-version': '2' }),
        { ...batch(ids), path: '/v1/users/personas?x=1' },
        { ...batch(ids), path: '/v1/users/personas/' },
        { ...batch(ids), method: 'PUT' },
        { path: '/v1/users/personas', method: 'POST', headers: { ...bid, ...json } },
      )
      for (const stale of [false, true]) {
        api.ports.ingestProblem = () => (stale ? 'it is down' : undefined)
        await sleep(5) // staleness is looked at once in a millisecond
        for (const [asked, isLean] of [
          [lean, true],
          [byRouteAlone, false],
        ] as const)
          for (const one of asked) {
            routed = 0
            const told = comparable(await overSocket(api, one))
            assert.equal(routed, isLean ? 0 : 1, show(one))
            assert.deepEqual(told, comparable(await byRoute(api, one)), show(one))
          }
      }
    }))

  it('is counted', () => {
    const http = new HttpMeter()
    return withApi({ app: { observed: { http, metrics: new Metrics([]) } } }, async (api) => {
      await api.app.listen({ port: 0, host: '127.0.0.1' })
      const [id] = knownUsers(api) as [string]
      for (let n = 0; n < 3; n++) await overSocket(api, { path: `/v1/users/${id}/personas` })
      const times = http.route('GET', '/v1/users/:id/personas')
      assert.equal(
        times.byStatus.get(200)?.counts.reduce((sum, count) => sum + count),
        3,
      )
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify({ user_ids: [id] })
      await overSocket(api, { path: '/v1/users/personas', method: 'POST', headers, body })
      const batches = http.route('POST', '/v1/users/personas').byStatus.get(200)
      assert.equal(
        batches?.counts.reduce((sum, count) => sum + count),
        1,
      )
      assert.equal(http.inFlight, 0)
    })
  })

  it('that fails within is the route’s to tell', () =>
    withApi({}, async (api) => {
      await api.app.listen({ port: 0, host: '127.0.0.1' })
      const [id] = knownUsers(api) as [string]
      api.ports.lookUpJson = () => {
        throw new Error('a page is torn')
      }
      const headers = { 'content-type': 'application/json' }
      for (const asked of [
        { path: `/v1/users/${id}/personas` },
        { path: '/v1/users/personas', method: 'POST', headers, body: JSON.stringify({ user_ids: [id] }) },
      ]) {
        const { status, body } = await overSocket(api, asked)
        assert.equal(status, 500)
        assert.doesNotMatch(body, /torn/)
      }
    }))
})

function knownUsers({ rig }: Api): string[] {
  return [...rig.store.users()].slice(0, 20).map((index) => rig.store.user(index)!.userId)
}

async function overSocket(
  { app }: Api,
  { path, method = 'GET', headers = {}, body: sent }: Asked,
): Promise<Told> {
  const { port } = app.server.address() as AddressInfo
  const asking = request({ host: '127.0.0.1', port, path, method, headers })
  asking.end(sent)
  const [answer] = await once(asking, 'response')
  let body = ''
  for await (const chunk of answer) body += chunk
  return { status: answer.statusCode, headers: answer.headers, body }
}

async function byRoute({ app }: Api, { path, method = 'GET', headers = {}, body }: Asked): Promise<Told> {
  const payload = body === undefined ? {} : { payload: body }
  const answer = await app.inject({ url: path, method: method as 'GET', headers, ...payload })
  return {
    status: answer.statusCode,
    headers: answer.headers as IncomingHttpHeaders,
    body: method === 'HEAD' ? '' : answer.body,
  }
}

/** Without what differs from request to request and from socket to none. */
function comparable({ status, headers, body }: Told) {
  const { date, connection, 'keep-alive': alive, 'transfer-encoding': coding, ...others } = headers
  const id = String(others['x-request-id'])
  if (/^[0-9a-f]{8}-/.test(id)) others['x-request-id'] = 'made'
  if (body.includes(id)) others['content-length'] = String(Number(others['content-length']) - id.length)
  return { status, headers: { ...others }, body: body.replaceAll(id, 'made') }
}

function show({ path, method, headers, body = '' }: Asked): string {
  return `${method ?? 'GET'} ${path} ${JSON.stringify(headers)} ${body.toString().slice(0, 80)}`
}
