// Requests are counted by route and status whatever becomes of them, have an id, and are logged by their route alone.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { openLogger } from '../../src/cli/logger.ts'
import { httpFamilies } from '../../src/metrics/http-families.ts'
import { HttpMeter } from '../../src/metrics/http-meter.ts'
import { Metrics } from '../../src/metrics/registry.ts'
import { withApi } from '../support/api.ts'
import { until } from '../support/wait.ts'

const series = 'GET /v1/users/:id/personas'

function observed() {
  const http = new HttpMeter()
  const counts = () =>
    Object.fromEntries(
      [...http.routes()].flatMap(({ method, route, byStatus }) =>
        Array.from(byStatus, ([status, { counts: buckets }]) => [
          `${method} ${route} ${status}`.trim(),
          buckets.reduce((sum, n) => sum + n, 0),
        ]),
      ),
    )
  return { http, counts, app: { observed: { http, metrics: new Metrics(httpFamilies(http)) } } }
}

describe('requests', () => {
  it('are counted by route and status: answered, refused, misspelt, failed', async () => {
    const { http, counts, app: options } = observed()
    const security = {
      required: () => true,
      find: (authorization: string) =>
        authorization === 'Bearer good'
          ? { id: 'a', name: 'a', scopes: ['lookup' as const], hash: '', created_at: '' }
          : undefined,
      requestsPerSecond: 0,
      now: () => 0,
    }
    await withApi({ app: { ...options, security } }, async ({ app, ports }) => {
      const get = (url: string, token = 'good') =>
        app.inject({ url, headers: { authorization: `Bearer ${token}` } })
      await get('/v1/users/nobody/personas')
      await get('/v1/users/nobody/personas', 'bad')
      await get(`/v1/users/${'x'.repeat(300)}/personas`)
      await app.inject({ method: 'HEAD', url: '/healthz' })
      await get('/nothing')
      await get('/v1/users/%ff%zz/personas')
      ports.product = () => {
        throw new Error('a test’s own')
      }
      await get('/v1/products/p')
      assert.deepEqual(counts(), {
        [`${series} 404`]: 1,
        [`${series} 401`]: 1,
        [`${series} 400`]: 1,
        'HEAD /healthz 200': 1,
        'none 404': 1,
        'none 400': 1,
        'GET /v1/products/:id 500': 1,
      })
      assert.equal(http.inFlight, 0)
    })
  })

  it('whose client goes before its answer count as 499, and streams as answered when they begin', async () => {
    const { http, counts, app: options } = observed()
    await withApi({ app: options }, async ({ app, ports }) => {
      let answer: () => void = () => {}
      ports.personaSet = () => new Promise((_, reject) => (answer = () => reject(new Error('too late'))))
      const url = await app.listen({ host: '127.0.0.1', port: 0 })
      const gone = new AbortController()
      const slow = fetch(`${url}/v1/personas`, { signal: gone.signal }).catch((error: Error) => error.name)
      await until('it is in flight', () => http.inFlight === 1)
      gone.abort()
      assert.equal(await slow, 'AbortError')
      await until('it is counted', () => counts()['GET /v1/personas 499'] === 1)
      answer()
      const left = new AbortController()
      await fetch(`${url}/v1/changes/stream`, { signal: left.signal })
      assert.equal(counts()['GET /v1/changes/stream 200'], 1)
      assert.deepEqual([http.inFlight, http.streams()], [0, 1])
      left.abort()
      await until('the stream is over', () => http.streams() === 0)
      assert.equal(counts()['GET /v1/changes/stream 200'], 1)
      assert.equal(http.inFlight, 0)
    })
  })

  it('that wait behind another when their connection goes are over, and streams among them too', async () => {
    const { http, counts, app: options } = observed()
    await withApi({ app: options }, async ({ app, ports }) => {
      ports.personaSet = () => new Promise(() => undefined)
      const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
      const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
      const socket = connect(Number(url.port), url.hostname)
      const asked = ['/v1/personas', '/v1/users/nobody/personas', '/v1/changes/stream', '/v1/changes/stream']
      socket.write(asked.map(ask).join(''))
      await until('all have come', () => http.streams() === 2)
      assert.equal(http.inFlight, 2)
      socket.destroy()
      await until('they are over', () => http.streams() === 0 && http.inFlight === 0)
      assert.deepEqual(counts(), {
        'GET /v1/personas 499': 1,
        [`${series} 499`]: 1,
        'GET /v1/changes/stream 200': 2,
      })
    })
  })

  it('have an id: the client’s where it is a word, else one of ours; problems name it', () =>
    withApi({}, async ({ app }) => {
      const ask = async (url: string, given?: string) => {
        const reply = await app.inject({ url, headers: given === undefined ? {} : { 'x-request-id': given } })
        return { id: String(reply.headers['x-request-id']), body: reply.body }
      }
      const words = ['a', '7f3c-9/b:2@x+y=', 'x'.repeat(128)]
      for (const word of words) assert.equal((await ask('/healthz', word)).id, word)
      const ours = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-z]+$/
      const made = new Set<string>()
      for (const bad of [undefined, '', 'two words', 'x'.repeat(129), '"quoted"', 'é', '{"a":1}']) {
        const { id } = await ask('/healthz', bad)
        assert.match(id, ours, bad)
        made.add(id)
      }
      assert.equal(made.size, 7, 'each another')
      for (const url of [
        '/nothing',
        '/v1/users/nobody/personas',
        '/v1/users/%ff%zz/personas',
        '/v1/changes?after=x',
      ]) {
        const { id, body } = await ask(url, 'mine')
        assert.deepEqual([id, (JSON.parse(body) as { request_id: string }).request_id], ['mine', 'mine'], url)
      }
    }))

  it('are logged by route at level debug, failures with their id at error, and never a user or a token', async () => {
    for (const level of ['debug', 'info']) {
      const lines: string[] = []
      const logger = openLogger(level, { write: (line: string) => void lines.push(line) })
      await withApi({ app: { logger } }, async ({ app, ports }) => {
        ports.explain = () => {
          throw new Error('a test’s own')
        }
        const headers = { authorization: 'Bearer s3cr3t', 'x-request-id': 'one' }
        await app.inject({ url: '/v1/users/u-17/personas', headers })
        await app.inject({ url: '/v1/users/u-17/explanation', headers })
      })
      const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      const failed = logged.find(({ msg }) => msg === 'a request failed')!
      assert.deepEqual(
        [failed.level, failed.request_id, failed.route],
        [50, 'one', '/v1/users/:id/explanation'],
      )
      const answered = logged.filter(({ msg }) => msg === 'answered')
      assert.deepEqual(
        answered.map(({ request_id, route, status }) => [request_id, route, status]),
        level === 'debug'
          ? [
              ['one', '/v1/users/:id/personas', 404],
              ['one', '/v1/users/:id/explanation', 500],
            ]
          : [],
      )
      for (const word of ['u-17', 's3cr3t']) assert.ok(!lines.join('').includes(word), word)
    }
  })

  it('a credential that is logged by mistake is not written', () => {
    const lines: string[] = []
    const logger = openLogger('info', { write: (line: string) => void lines.push(line) })
    const headers = { authorization: 'Bearer s3cr3t', accept: 'text/html' }
    logger.info(
      { headers, req: { headers }, webhook: { id: 'wh_1', secret: 's3cr3t' }, token: 's3cr3t' },
      'x',
    )
    assert.ok(!lines[0]!.includes('s3cr3t'))
    assert.ok(lines[0]!.includes('text/html') && lines[0]!.includes('wh_1'))
  })
})
