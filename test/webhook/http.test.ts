// The routes of webhooks over the real administration: what they take, answer and refuse, without a process.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { type AppPorts, createApp } from '../../src/http/app.ts'
import { type Bench, broken, ok, withBench } from '../support/webhook-bench.ts'
import { rowOf } from '../support/webhook-changes.ts'

type Call = (method: string, path: string, body?: unknown) => Promise<LightMyRequestResponse>

function withRoutes(work: (call: Call, bench: Bench) => Promise<void>): Promise<void> {
  return withBench(
    async (bench) => {
      const ports = { webhooks: bench.admin } as unknown as AppPorts
      const app: FastifyInstance = createApp({ ports, bodyBytesMax: 65_536 })
      try {
        await work(
          (method, path, body) =>
            app.inject({
              method: method as 'GET',
              url: `/v1/webhooks${path}`,
              ...(body === undefined
                ? {}
                : {
                    headers: { 'content-type': 'application/json' },
                    payload: typeof body === 'string' ? body : JSON.stringify(body),
                  }),
            }),
          bench,
        )
      } finally {
        await app.close()
      }
    },
    { expireMs: 60_000, subscriptionsMax: 3 },
  )
}

function problemOf(reply: LightMyRequestResponse, status: number): string {
  assert.equal(reply.statusCode, status, reply.body)
  assert.match(String(reply.headers['content-type']), /^application\/problem\+json/)
  const { title, detail, status: said } = reply.json() as Record<string, unknown>
  assert.equal(said, status)
  assert.ok(typeof title === 'string' && title !== '')
  return String(detail)
}

const url = 'https://crm.example/hook?token=t'

describe('/v1/webhooks', () => {
  it('makes, shows, changes, rotates and removes a subscription, and shows each secret once', () =>
    withRoutes(async (call) => {
      const filter = { personas: ['Baker'], directions: ['entered'], min_probability: 0.5 }
      const made = await call('POST', '', { url, filter })
      assert.equal(made.statusCode, 201, made.body)
      const { id, secret, ...rest } = made.json() as Record<string, string>
      assert.match(secret!, /^whsec_[A-Za-z0-9+/]{43}=$/)
      assert.equal(made.headers.location, `/v1/webhooks/${id}`)
      assert.equal(made.headers['cache-control'], 'no-store')
      const shown = (await call('GET', `/${id}`)).json() as object
      assert.deepEqual(shown, { id, ...rest })
      assert.deepEqual(shown, {
        id,
        url,
        filter,
        format: 'kindred',
        active: true,
        created_at: '2026-01-01T00:00:00.000Z',
        secrets: 1,
        queued: 0,
        dead_letters: 0,
        delivered: 0,
        skipped: 0,
      })
      assert.deepEqual((await call('GET', '')).json(), { webhooks: [shown] })
      const patched = await call('PATCH', `/${id}`, { active: false, filter: {} })
      assert.deepEqual(patched.json(), { ...shown, active: false, filter: {} })
      const rotated = await call('POST', `/${id}/rotate`, {})
      assert.equal((rotated.json() as { secrets: number }).secrets, 2)
      assert.notEqual((rotated.json() as { secret: string }).secret, secret)
      const own = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
      const given = await call('POST', `/${id}/rotate`, { secret: own, grace_hours: 0 })
      assert.deepEqual(
        [(given.json() as { secret: string }).secret, (given.json() as { secrets: number }).secrets],
        [own, 1],
      )
      assert.ok(!(await call('GET', '')).body.includes('whsec_'))
      assert.equal((await call('DELETE', `/${id}`)).statusCode, 204)
      problemOf(await call('DELETE', `/${id}`), 404)
      assert.deepEqual((await call('GET', '')).json(), { webhooks: [] })
    }))

  it('says what is wrong with what it refuses, without the secret in it', () =>
    withRoutes(async (call) => {
      const secret = 'whsec_tooshortbutsecret'
      for (const [body, says] of [
        [{}, /^body url: /],
        [{ url, filter: { directions: ['up'] } }, /^body filter\.directions\.0: /],
        [{ url, format: 'xml' }, /^body format: /],
        [{ url, secret }, /^body secret: is whsec_/],
        [{ url, colour: 1 }, /colour/],
        [{ url, format: 'segment', filter: { directions: ['primary'] } }, /segment/],
        [[], /./],
        ['{', /./],
        ['null', /./],
      ] as const) {
        const reply = await call('POST', '', body)
        assert.match(problemOf(reply, 400), says)
        assert.ok(!reply.body.includes(secret))
      }
      assert.match(
        problemOf(await call('POST', '', { url: 'ftp://crm.example/' }), 422),
        /neither https nor http/,
      )
      for (const id of ['', '%00', 'x'.repeat(3000), 'wh_a%2F0', '%E5%AE%B6', '..%2F..', 'wh_'])
        problemOf(await call('GET', `/${id}/dead-letters`), 404)
      for (const [method, path, body] of [
        ['GET', '/wh_none'],
        ['GET', '/'],
        ['DELETE', '/'],
        ['POST', '//test'],
        ['PATCH', '/wh_none', {}],
        ['DELETE', '/wh_none'],
        ['POST', '/wh_none/rotate', {}],
        ['POST', '/wh_none/test'],
        ['GET', '/wh_none/dead-letters'],
        ['POST', '/wh_none/dead-letters/replay', {}],
      ] as const)
        problemOf(await call(method, path, body), 404)
      for (let n = 0; n < 3; n++) assert.equal((await call('POST', '', { url })).statusCode, 201)
      assert.match(problemOf(await call('POST', '', { url }), 422), /KINDRED_WEBHOOK_SUBSCRIPTIONS_MAX/)
    }))

  it('lists dead letters by pages and puts them back', () =>
    withRoutes(async (call, bench) => {
      const id = bench.subscribe()
      bench.answer = () => broken
      bench.dispatcher().deliver([0, 1, 2].map((n) => rowOf(n, `u${n}`)))
      await bench.clock.pass(10 * 60_000)
      const page = async (query: string) =>
        (await call('GET', `/${id}/dead-letters?${query}`)).json() as {
          dead_letters: { event_id: string; error: string }[]
          next: string | null
        }
      const first = await page('limit=2')
      assert.deepEqual(
        first.dead_letters.map(({ event_id }) => event_id),
        ['pc_0', 'pc_1'],
      )
      const second = await page(`limit=2&after=${encodeURIComponent(first.next!)}`)
      assert.deepEqual(
        second.dead_letters.map(({ event_id }) => event_id),
        ['pc_2'],
      )
      assert.deepEqual(await page(`after=${encodeURIComponent(second.next!)}`), {
        dead_letters: [],
        next: null,
      })
      for (const query of ['limit=0', 'limit=1001', 'after=x', 'before=1'])
        problemOf(await call('GET', `/${id}/dead-letters?${query}`), 400)
      assert.deepEqual((await call('POST', `/${id}/dead-letters/replay`, { limit: 2 })).json(), {
        replayed: 2,
        left: 1,
      })
      assert.deepEqual((await call('POST', `/${id}/dead-letters/replay`)).json(), { replayed: 1, left: 0 })
    }))

  it('tries a subscription with one signed event, in its form', () =>
    withRoutes(async (call, bench) => {
      for (const format of ['kindred', 'segment'] as const) {
        const id = bench.subscribe({ format })
        bench.answer = () => ok
        assert.deepEqual((await call('POST', `/${id}/test`)).json(), {
          delivered: true,
          status: 200,
          error: null,
        })
        bench.answer = () => broken
        assert.deepEqual((await call('POST', `/${id}/test`)).json(), {
          delivered: false,
          status: null,
          error: 'ECONNREFUSED',
        })
      }
      assert.equal(bench.sent.length, 4)
      assert.match(bench.sent[0]!.id, /^test_/)
      assert.match(bench.sent[2]!.body, /Audience Entered/)
    }))
})
