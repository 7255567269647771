// The lean lookup is the route's: over a socket, where it stands in front of the framework, every request is answered as the
// route alone answers it, to the headers.
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

type Asked = { readonly path: string; readonly method?: string; readonly headers?: Record<string, string> }
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
      const { status, body } = await overSocket(api, { path: `/v1/users/${id}/personas` })
      assert.equal(status, 500)
      assert.doesNotMatch(body, /torn/)
    }))
})

function knownUsers({ rig }: Api): string[] {
  return [...rig.store.users()].slice(0, 20).map((index) => rig.store.user(index)!.userId)
}

async function overSocket({ app }: Api, { path, method = 'GET', headers = {} }: Asked): Promise<Told> {
  const { port } = app.server.address() as AddressInfo
  const asking = request({ host: '127.0.0.1', port, path, method, headers })
  asking.end()
  const [answer] = await once(asking, 'response')
  let body = ''
  for await (const chunk of answer) body += chunk
  return { status: answer.statusCode, headers: answer.headers, body }
}

async function byRoute({ app }: Api, { path, method = 'GET', headers = {} }: Asked): Promise<Told> {
  const answer = await app.inject({ url: path, method: method as 'GET', headers })
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
  return { status, headers: { ...others }, body: body.replaceAll(id, 'made') }
}

function show({ path, method, headers }: Asked): string {
  return `${method ?? 'GET'} ${path} ${JSON.stringify(headers)}`
}
