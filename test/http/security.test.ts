// Tokens and rates: no request without the scope reaches a handler; hashes at rest; revoked tokens are refused.
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fastify } from 'fastify'
import { FatalError } from '../../src/errors.ts'
import { observeRequests } from '../../src/http/observe.ts'
import { openApiDocument } from '../../src/http/openapi.ts'
import { allOperations } from '../../src/http/operations.ts'
import { scopeOf, secure } from '../../src/http/security.ts'
import { addToken, readTokens, revokeToken, type Scope, TokenSet, tokensPath } from '../../src/http/tokens.ts'
import { HttpMeter } from '../../src/metrics/http-meter.ts'
import { withDirectory } from '../support/command.ts'

const now = new Date(0)

describe('scopes of routes', () => {
  it('health and the document are open, events need ingest, reading needs lookup, everything else admin', () => {
    for (const [method, url, scope] of [
      ['GET', '/healthz', undefined],
      ['GET', '/openapi.json', undefined],
      ['GET', '/metrics', 'lookup'],
      ['POST', '/v1/events', 'ingest'],
      ['GET', '/v1/users/:id/personas', 'lookup'],
      ['HEAD', '/v1/users/:id/personas', 'lookup'],
      ['POST', '/v1/users/personas', 'lookup'],
      ['DELETE', '/v1/users/:id', 'admin'],
      ['GET', '/v1/quarantine', 'admin'],
      ['GET', '/v1/webhooks/:id', 'admin'],
      ['POST', '/v1/whatever', 'admin'],
    ] as const)
      assert.equal(scopeOf(method, url), scope, `${method} ${url}`)
  })

  it('every operation that changes something is named on purpose', () => {
    const changing = allOperations().filter(({ method }) => method !== 'GET')
    for (const { method, path } of changing)
      if (scopeOf(method, path) === 'lookup') assert.match(path, /\/(personas|openrtb)$/)
  })

  it('the document names for each operation the scope that is asked for', () => {
    const { paths } = openApiDocument()
    for (const { method, path } of allOperations()) {
      const scope = scopeOf(method, path)
      const documented = paths[path.replaceAll(/:(\w+)/g, '{$1}')]![method.toLowerCase()]!.security
      assert.deepEqual(documented, scope === undefined ? [] : [{ token: [scope] }], `${method} ${path}`)
    }
  })
})

describe('tokens', () => {
  it('are kept as a hash, for nobody else to read, and revoked by id', () =>
    withDirectory(async (dir) => {
      const { token, stored } = addToken(dir, { name: 'bidder', scopes: ['lookup'], now })
      const kept = readFileSync(tokensPath(dir), 'utf8')
      assert.ok(!kept.includes(token) && kept.includes(stored.hash))
      assert.equal(statSync(tokensPath(dir)).mode & 0o777, 0o600)
      assert.deepEqual(readTokens(dir), [stored])
      assert.equal(revokeToken(dir, 'other'), false)
      assert.equal(revokeToken(dir, stored.id), true)
      assert.deepEqual(readTokens(dir), [])
      writeFileSync(tokensPath(dir), '{}')
      assert.throws(() => readTokens(dir), FatalError)
    }))

  it('a change is taken up within a second', () =>
    withDirectory(async (dir) => {
      let ms = 0
      const set = new TokenSet(dir, () => ms)
      const { token, stored } = addToken(dir, { name: 'a', scopes: ['admin'], now })
      assert.equal(set.find(`Bearer ${token}`), undefined)
      ms = 1000
      assert.equal(set.find(`Bearer ${token}`)?.id, stored.id)
      assert.equal(set.find(`Bearer ${'x'.repeat(10_000)}`), undefined)
      revokeToken(dir, stored.id)
      assert.equal(set.find(`Bearer ${token}`)?.id, stored.id)
      ms = 2000
      assert.equal(set.find(`Bearer ${token}`), undefined)
    }))
})

describe('requests', () => {
  it('without a token, of another scope, or too many never reach a handler, nor is their body read', async () => {
    let ms = 0
    let handled = 0
    const tokens = new Map<string, { id: string; scopes: Scope[] }>([
      ['bid', { id: '1', scopes: ['lookup'] }],
      ['all', { id: '2', scopes: ['admin'] }],
    ])
    const app = fastify()
    observeRequests(app, new HttpMeter())
    secure(app, {
      required: () => true,
      find: (authorization) => {
        const token = /^bearer (.*)$/i.exec(authorization)?.[1] ?? ''
        const found = tokens.get(token)
        return found && { ...found, name: token, hash: '', created_at: '' }
      },
      requestsPerSecond: 3,
      now: () => ms,
    })
    app.get('/healthz', () => 'ok')
    app.get('/v1/users/:id/personas', () => ++handled)
    app.post('/v1/events', () => ++handled)
    const status = async (method: 'GET' | 'POST', url: string, authorization?: string, payload?: string) => {
      const headers = {
        ...(authorization && { authorization }),
        ...(payload && { 'content-type': 'application/json' }),
      }
      return (await app.inject({ method, url, headers, ...(payload && { payload }) })).statusCode
    }
    assert.equal(await status('GET', '/healthz'), 200)
    for (const authorization of [undefined, 'Bearer no', 'Basic bid', 'Bearer', 'bid'])
      assert.equal(await status('GET', '/v1/users/u/personas', authorization), 401)
    assert.equal(await status('POST', '/v1/events', 'Bearer bid', '{broken'), 403)
    assert.equal(await status('POST', '/v1/events', undefined, '{broken'), 401)
    assert.equal(await status('GET', '/nowhere'), 401, 'what is there is not told either')
    assert.equal(handled, 0)
    assert.equal(await status('GET', '/v1/users/u/personas', 'bearer bid'), 200)
    assert.deepEqual(
      [
        await status('GET', '/v1/users/u/personas', 'Bearer bid'),
        await status('GET', '/v1/users/u/personas', 'Bearer bid'),
      ],
      [200, 200],
    )
    const slowed = await app.inject({ url: '/v1/users/u/personas', headers: { authorization: 'Bearer bid' } })
    assert.deepEqual([slowed.statusCode, slowed.headers['retry-after']], [429, '1'])
    assert.equal(
      await status('GET', '/v1/users/u/personas', 'Bearer all'),
      200,
      'each token has a rate of its own',
    )
    ms = 334
    assert.equal(await status('GET', '/v1/users/u/personas', 'Bearer bid'), 200)
    assert.equal(await status('GET', '/v1/users/u/personas', 'Bearer bid'), 429)
    await app.close()
  })
})
