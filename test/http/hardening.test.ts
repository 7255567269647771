// What holds whatever is asked: nobody without the scope reaches a handler; headers of every answer; CORS is off; slow, large
// and broken requests end with a problem, and so does one connection too many.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { type AppPorts, createApp } from '../../src/http/app.ts'
import { type ServerLimits, serverLimits } from '../../src/http/hardening.ts'
import { allOperations } from '../../src/http/operations.ts'
import { scopeOf } from '../../src/http/security.ts'
import { addToken, revokeToken, scopes, TokenSet } from '../../src/http/tokens.ts'
import { withApi } from '../support/api.ts'
import { withDirectory } from '../support/command.ts'
import { answerIn, type RawAnswer, untilClosed } from '../support/raw-socket.ts'
import { until } from '../support/wait.ts'

/** Ports of which each use is noted, and fails. */
function untouchable(touched: string[]): AppPorts {
  const port = (name: string): unknown =>
    new Proxy(() => undefined, {
      apply() {
        touched.push(name)
        throw new Error(`${name} was called`)
      },
      get: (_target, property) => port(`${name}.${String(property)}`),
    })
  return port('ports') as AppPorts
}

const operations = allOperations()
const pathOf = (path: string) => path.replaceAll(/:\w+/g, '1')

function requestOf(method: string, path: string, authorization?: string): InjectOptions {
  return {
    method: method as 'GET',
    url: pathOf(path),
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(method === 'GET' || method === 'HEAD' ? {} : { 'content-type': 'application/json' }),
    },
    ...(method === 'GET' || method === 'HEAD' ? {} : { payload: '{broken' }),
  }
}

function assertSafe(headers: { get(name: string): string | null }, what: string): void {
  assert.equal(headers.get('x-content-type-options'), 'nosniff', what)
  assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/, what)
  assert.match(headers.get('cache-control') ?? '', /no-store|no-cache/, what)
  assert.equal(headers.get('access-control-allow-origin'), null, what)
}

function assertProblem({ status, headers, body }: RawAnswer, expected: number): void {
  assert.equal(status, expected, body)
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
  const problem = JSON.parse(body) as Record<string, unknown>
  assert.equal(problem.status, expected)
  for (const field of ['type', 'title', 'detail']) assert.ok(problem[field], `${field} of ${body}`)
  assert.ok(problem.request_id, body)
  assert.equal(headers.get('x-request-id'), problem.request_id)
  assert.equal(headers.has('allow'), expected === 405)
  assertSafe(headers, body)
}

describe('requests that may not', () => {
  it('never reach a handler: each operation by each way of having no right to it', () =>
    withDirectory(async (dir) => {
      const make = (name: string, scope: (typeof scopes)[number]) =>
        addToken(dir, { name, scopes: [scope], now: new Date(0) })
      const tokens = new Map(scopes.map((scope) => [scope, `Bearer ${make(scope, scope).token}`]))
      const revoked = make('revoked', 'admin')
      revokeToken(dir, revoked.stored.id)
      const set = new TokenSet(dir, () => 0)
      const touched: string[] = []
      const app = createApp({
        ports: untouchable(touched),
        bodyBytesMax: 1024,
        security: {
          required: () => true,
          find: (authorization) => set.find(authorization),
          requestsPerSecond: 0,
          now: () => 0,
        },
      })
      const bad = [
        undefined,
        '',
        'Bearer',
        'Bearer x',
        `Bearer ${revoked.token}`,
        'Basic YTpi',
        'Bearer \u00ff',
      ]
      const status = async (...request: Parameters<typeof requestOf>) =>
        (await app.inject(requestOf(...request))).statusCode
      touched.length = 0
      let refused = 0
      for (const { method, path } of operations) {
        const scope = scopeOf(method, path)
        if (scope === undefined) continue
        for (const verb of method === 'GET' ? ['GET', 'HEAD'] : [method])
          for (const authorization of bad) {
            assert.equal(await status(verb, path, authorization), 401, `${verb} ${path} ${authorization}`)
            refused++
          }
        for (const other of scopes.filter((name) => name !== scope && name !== 'admin')) {
          assert.equal(await status(method, path, tokens.get(other)), 403, `${method} ${path} as ${other}`)
          refused++
        }
      }
      for (const [method, path] of [
        ['GET', '/v1/users/1'],
        ['PUT', '/v1/webhooks'],
        ['OPTIONS', '/v1/users/1/personas'],
        ['GET', '/nowhere'],
      ] as const)
        assert.equal(await status(method, path), 401, `${method} ${path}`)
      assert.ok(refused > 250, `${refused} were refused`)
      assert.deepEqual(touched, [])
      // with the scope they do: the ports of this test would have told
      assert.equal(await status('GET', '/v1/users/:id/personas', tokens.get('lookup')), 500)
      assert.deepEqual([...new Set(touched)], ['ports.behindMs'])
      await app.close()
    }))
})

describe('answers', () => {
  it('have the headers that keep browsers and caches out, whatever they are', () =>
    withApi({}, async ({ app }) => {
      for (const { method, path } of operations) {
        if (path === '/v1/changes/stream') continue
        const { headers, statusCode } = await app.inject(requestOf(method, path))
        assertSafe(new Headers(headers as Record<string, string>), `${method} ${path} ${statusCode}`)
      }
      for (const url of ['/nowhere', '/v1/users/%ff/personas', `/v1/users/${'x'.repeat(5000)}/personas`]) {
        const { headers, statusCode, body } = await app.inject(url)
        assertProblem(
          { status: statusCode, headers: new Headers(headers as Record<string, string>), body },
          url === '/nowhere' ? 404 : url.includes('%ff') ? 400 : 414,
        )
      }
    }))

  it('grant nothing to other origins: CORS is off', () =>
    withApi({}, async ({ app }) => {
      for (const { method, path } of operations) {
        if (path === '/v1/changes/stream') continue
        const origin = 'https://evil.example'
        const preflight = await app.inject({
          method: 'OPTIONS',
          url: pathOf(path),
          headers: {
            origin,
            'access-control-request-method': method,
            'access-control-request-headers': 'authorization',
          },
        })
        assert.equal(preflight.statusCode, 405, path)
        const { payload, ...request } = requestOf(method, path)
        const answer = await app.inject({ ...request, headers: { origin }, ...(payload && { payload }) })
        for (const { headers } of [preflight, answer])
          assert.deepEqual(
            Object.keys(headers).filter((name) => name.startsWith('access-control-')),
            [],
            path,
          )
      }
    }))

  it('without tokens are for this machine alone, whatever name a page in a browser was given', () =>
    withApi(
      {
        app: {
          security: { required: () => false, find: () => undefined, requestsPerSecond: 0, now: () => 0 },
        },
      },
      async ({ app }) => {
        const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
        const status = async (request: string, host: string) => {
          const bytes = `${request} HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`
          const last = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
          return answerIn(await untilClosed(Number(port), bytes + last)).status
        }
        for (const request of ['GET /v1/users/1/personas', 'GET /v1/personas', 'DELETE /v1/users/1'])
          for (const host of [
            'evil.example',
            `evil.example:${port}`,
            '127.0.0.1.evil.example',
            '10.0.0.1',
            '',
          ])
            assert.equal(await status(request, host), 421, `${request} of ${host}`)
        for (const host of [
          ...['localhost', `LOCALHOST:${port}`, `127.0.0.1:${port}`, '[::1]:80', 'a.shop.localhost'],
          ...['localhost.', 'localhost:', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]:1'],
        ])
          assert.equal(await status('GET /v1/personas', host), 200, host)
        for (const header of [
          'Origin: http://evil.example',
          'Origin: null',
          'Origin: http://localhost.evil.example',
          'Sec-Fetch-Site: cross-site',
        ])
          for (const request of ['GET /v1/users/1/personas', 'POST /v1/quarantine/0/replay'])
            assert.equal(await status(request, `localhost\r\n${header}`), 421, header)
        for (const header of [`Origin: http://localhost:${port}`, 'Sec-Fetch-Site: same-origin'])
          assert.equal(await status('GET /v1/personas', `localhost\r\n${header}`), 200, header)
        assert.equal(await status('GET /healthz', 'probe.example'), 200)
      },
    ))
})

describe('connections', () => {
  const quick: ServerLimits = { ...serverLimits, headersMs: 150, requestMs: 300, checkMs: 20 }
  const withServer = (server: ServerLimits, work: (port: number, app: FastifyInstance) => Promise<void>) =>
    withApi({ app: { server } }, async ({ app }) => {
      const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
      await work(Number(port), app)
    })
  const started = 'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

  it('that send headers or a body too slowly are answered 408 and closed', () =>
    withServer(quick, async (port) => {
      for (const bytes of [
        'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ',
        `${started}Content-Length: 10\r\n\r\n{`,
        `${started}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`,
      ])
        assertProblem(answerIn(await untilClosed(port, bytes)), 408)
    }))

  it('that cannot be read as HTTP, or are too large, are told so', () =>
    withServer(serverLimits, async (port) => {
      const big = `X-Big: ${'x'.repeat(serverLimits.headerBytesMax)}\r\n`
      for (const [bytes, status] of [
        ['\0\0\0\0', 400],
        ['GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n', 400],
        ['GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n', 400],
        [`${started}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
        [`${started}Content-Length: nine\r\n\r\n`, 400],
        [`${started}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`, 400],
        [`${started}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
        [`GET /healthz HTTP/1.1\r\nHost: x\r\n${big}\r\n`, 431],
        [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
        ['GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
        ['GET /healthz HTTP/1.1\r\nHost: x\r\nhost: x\r\nConnection: close\r\n\r\n', 400],
        [`${started}Content-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`, 415],
        ['CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
      ] as const)
        assertProblem(answerIn(await untilClosed(port, bytes)), status)
    }))

  it('with garbage behind a request get the answer to that first', () =>
    withServer(serverLimits, async (port) => {
      const text = await untilClosed(port, 'GET /v1/personas HTTP/1.1\r\nHost: x\r\n\r\n\0\0')
      const [first, second] = text.split(/(?<=\})(?=HTTP\/1\.1)/)
      assert.equal(answerIn(first!).status, 200, text)
      assertProblem(answerIn(second!), 400)
    }))

  it('that expect what is not known are answered as others', () =>
    withServer(serverLimits, async (port) => {
      const bytes = 'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nConnection: close\r\n\r\n'
      assert.equal(answerIn(await untilClosed(port, bytes)).status, 200)
    }))

  it('may bring as many headers as there is room for, and none is left out', () =>
    withServer(serverLimits, async (port, app) => {
      const seen: unknown[] = []
      app.server.on('request', ({ headers }) => seen.push(headers['x-last']))
      const many = 'a:\r\n'.repeat(2_500)
      const bytes = `GET /healthz HTTP/1.1\r\nHost: x\r\n${many}X-Last: it\r\nConnection: close\r\n\r\n`
      assert.equal(answerIn(await untilClosed(port, bytes)).status, 200)
      assert.deepEqual(seen, ['it'])
    }))

  it('on which a body trickles in are told how old the answer is when it is made', () =>
    withApi({}, async ({ app, ports }) => {
      const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
      const socket = connect(Number(port), '127.0.0.1')
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
      })
      const head = 'POST /v1/users/personas HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
      socket.write(`${head}Content-Length: 18\r\nExpect: 100-continue\r\n\r\n`)
      await until('its head is read', () => text.includes(' 100 '))
      ports.ingestProblem = () => 'it is down'
      socket.write('{"user_ids":["a"]}')
      await until('it is answered', () => text.includes('"users"'))
      assert.match(text, /\r\nx-kindred-stale: down\r\n/)
      socket.destroy()
    }))

  it('past the limit are closed as they come, until one leaves', () =>
    withServer({ ...serverLimits, connectionsMax: 2 }, async (port, app) => {
      const held = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
      const ask = () => untilClosed(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      const open = () =>
        new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)))
      await until('both are open', async () => (await open()) === 2)
      assert.equal(await ask(), '')
      held[0]!.destroy()
      await until('there is room', async () => (await ask()) !== '')
      held[1]!.destroy()
    }))
})
