// Tokens and a real serve: off on loopback until there is one, then asked for; nowhere else without one.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { json, run, withDirectory } from '../support/command.ts'
import { eventOf } from '../support/events.ts'
import { logged, serve } from '../support/server.ts'
import { until } from '../support/wait.ts'

type Made = { id: string; token: string }

describe('tokens of a real serve', () => {
  it('on loopback anybody may until there is a token; then it is asked for, by scope, and can be revoked', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      const server = await serve(data)
      assert.ok(logged(server.stderr()).some(({ msg }) => /anybody on this machine/.test(String(msg))))
      assert.equal((await server.post(eventOf())).status, 202)
      const add = (scopes: string) =>
        json<Made>(['tokens', 'add', 'shop', '--scopes', scopes, '--data', data])
      const [bidder, shop] = [await add('lookup'), await add('ingest')]
      const status = async (path: string, token?: string, init: RequestInit = {}) =>
        (
          await fetch(server.url + path, {
            ...init,
            headers: { ...(token && { authorization: `Bearer ${token}` }) },
          })
        ).status
      await until('tokens are asked for', async () => (await status('/v1/users/u/personas')) === 401)
      assert.equal(await status('/v1/users/u/personas', bidder.token), 200)
      assert.equal(await status('/v1/users/u/personas', shop.token), 403)
      assert.equal(await status('/v1/users/u', bidder.token, { method: 'DELETE' }), 403)
      assert.equal(await status('/healthz'), 200)
      const { tokens } = await json<{ tokens: object[] }>(['tokens', 'list', '--data', data])
      assert.equal(tokens.length, 2)
      assert.ok(!JSON.stringify(tokens).includes(bidder.token))
      await json(['tokens', 'revoke', bidder.id, '--data', data])
      await until('it is refused', async () => (await status('/v1/users/u/personas', bidder.token)) === 401)
      const { code, stderr } = await server.stop()
      assert.equal(code, 0)
      for (const { token } of [bidder, shop]) assert.ok(!stderr.includes(token), 'no token in a log')
    }))

  it('off loopback, or asked for, it does not start without one; off is for loopback alone', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      for (const [env, code, message] of [
        [{ KINDRED_HOST: '0.0.0.0' }, 1, /kindred tokens add/],
        [{ KINDRED_AUTH: 'on' }, 1, /kindred tokens add/],
        [{ KINDRED_HOST: '0.0.0.0', KINDRED_AUTH: 'off' }, 2, /loopback/],
      ] as const) {
        const outcome = await run(['serve', '--port', '0', '--data', data], { env })
        assert.equal(outcome.code, code, outcome.stderr)
        assert.match(outcome.stderr, message)
      }
      const once = () =>
        json<{ id: string; token: string | null }>([
          'tokens',
          'add',
          'x',
          '--once',
          '--scopes',
          'admin',
          '--data',
          data,
        ])
      const [first, second] = [await once(), await once()]
      assert.ok(first.token !== null && second.token === null && second.id === first.id)
      const copied = await withDirectory(async (where) => {
        const server = await serve(data, { env: { KINDRED_HOST: '0.0.0.0' } })
        await json(['backup', join(where, 'copy'), '--data', data])
        assert.equal((await server.stop()).code, 0)
        return json<{ tokens: { id: string }[] }>(['tokens', 'list', '--data', join(where, 'copy')])
      })
      assert.deepEqual(
        copied.tokens.map(({ id }) => id),
        [first.id],
        'a copy asks for the same tokens',
      )
      const wrong = await run(['tokens', 'add', 'x', '--scopes', 'everything', '--data', data])
      assert.equal(wrong.code, 2)
      assert.match(wrong.stderr, /lookup, ingest, admin/)
    }))
})
