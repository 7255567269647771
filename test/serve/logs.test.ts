// Everything that a real serve writes, at its lowest level: events and requests by their ids, no user above debug, no secret.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { openLog } from '../../src/profiler.ts'
import { json, withDirectory } from '../support/command.ts'
import { logged, serve } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { startReceiver } from '../support/webhook-receiver.ts'
import { changesIn, hookEnv, labelShop, purchasesOf } from '../support/webhook-shop.ts'

const debug = 20
const warn = 40
const webhookSecret = `whsec_${Buffer.from('a secret of forty bytes, known to nobody').toString('base64')}`

describe('what serve logs', () => {
  it('names events and requests by their ids; users at debug alone; tokens and secrets never', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await labelShop(dir, data)
      const { token } = await json<{ token: string }>([
        'tokens',
        'add',
        'shop',
        '--scopes',
        'admin',
        '--data',
        data,
      ])
      await using receiver = await startReceiver((_received, n) => ({ status: n < 2 ? 500 : 204 }))
      const server = await serve(data, { env: { ...hookEnv, KINDRED_LOG_LEVEL: 'debug' } })
      const call = async (method: string, path: string, body?: unknown) => {
        const headers = {
          authorization: `Bearer ${token}`,
          'x-request-id': `test-${path.length}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        }
        return fetch(server.url + path, {
          method,
          headers,
          body: body === undefined ? null : JSON.stringify(body),
        })
      }
      const hook = { url: `${receiver.url}?key=in-the-url`, secret: webhookSecret }
      assert.equal((await call('POST', '/v1/webhooks', hook)).status, 201)
      assert.equal((await call('POST', '/v1/webhooks', { ...hook, url: 'ftp://x' })).status, 422)
      assert.equal((await call('GET', `/v1/users/${token}/personas`)).status, 404)
      await quarantineOne(data)
      assert.equal((await call('POST', '/v1/events', purchasesOf(['user-of-the-shop']))).status, 202)
      const changes = async () => changesIn(data, 'user-of-the-shop')
      await until('all is delivered', async () => {
        const made = (await changes()).length
        return made > 0 && receiver.received.length >= made + 2
      })
      const before = await changes()
      assert.equal((await call('DELETE', '/v1/users/user-of-the-shop')).status, 200)
      const events = new Set(before.map(({ event_id }) => event_id))
      const { code, stdout, stderr } = await server.stop()
      assert.equal(code, 0)
      assert.equal(stdout, '')
      for (const secret of [token, webhookSecret, webhookSecret.slice(6), 'in-the-url'])
        assert.ok(!stderr.includes(secret), secret)
      const lines = logged(stderr)
      for (const line of lines)
        assert.ok(
          line.level === debug || !JSON.stringify(line).includes('user-of-the-shop'),
          JSON.stringify(line),
        )
      const quarantined = lines.find(({ msg }) => String(msg).startsWith('records were quarantined'))!
      assert.deepEqual([quarantined.level, quarantined.quarantine_id, quarantined.source], [warn, 0, 'log'])
      const failed = lines.filter(({ msg }) => String(msg).startsWith('a webhook was not delivered'))
      assert.equal(failed.length, 2)
      for (const { event_id, error, webhook } of failed) {
        assert.equal(error, 'status 500')
        assert.match(String(webhook), /^wh_/)
        assert.match(String(event_id), /^pc_/)
        assert.ok(events.has(String(event_id)), 'the id of the change event')
      }
      const answered = lines.filter(({ msg }) => msg === 'answered')
      assert.ok(answered.some(({ request_id, route }) => request_id === 'test-10' && route === '/v1/events'))
    }))

  it('whose reader has gone keeps it neither from serving nor from ending', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await labelShop(dir, data)
      for (const args of [[], ['--role', 'lookup']]) {
        const server = await serve(data, { args, secondsMax: 30 })
        server.child.stderr!.destroy()
        assert.equal((await server.get('/healthz')).status, 200)
        assert.equal((await server.stop()).code, 0)
      }
    }))

  it('whose reader stands still keeps it neither from serving nor from ending', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await labelShop(dir, data)
      const server = await serve(data, { env: { KINDRED_LOG_LEVEL: 'debug' }, secondsMax: 30 })
      server.child.stderr!.pause()
      const requests = 3_000 // a line each: more than a pipe holds
      for (let i = 0; i < requests; i += 100)
        await Promise.all(Array.from({ length: 100 }, () => server.get('/healthz')))
      server.child.kill('SIGTERM')
      const [code] = (await once(server.child, 'exit')) as [number | null]
      assert.equal(code, 0)
    }))
})

/** A record that is no event, and says whose it is. */
async function quarantineOne(data: string): Promise<void> {
  const log = openLog({ dir: data, config: configFrom({}) })
  const record = Buffer.from('{"user_id": user-of-the-shop}')
  log.append([{ format: { kind: 'json' }, records: [record] }])
  await log.close()
}
