// No secret is told: not by a log, an error or `config`, whatever goes wrong while it is near.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { secretSettings, variableOf } from '../../src/config.ts'
import { json, run, withDirectory } from '../support/command.ts'
import { eventOf } from '../support/events.ts'
import { type Server, serve } from '../support/server.ts'
import { until } from '../support/wait.ts'

const hidden = (name: string) => `hush-${name}-0123456789abcdef`
const environment = {
  ...Object.fromEntries(secretSettings.map((name) => [variableOf(name), hidden(name)])),
  OPENAI_API_KEY: hidden('openai-own'),
  KINDRED_LABEL_BASE_URL: `https://user:${hidden('label-url')}@labels.example/v1`,
  KINDRED_KAFKA_REGISTRY: `http://user:${hidden('registry-url')}@registry.example/`,
  KINDRED_LOG_LEVEL: 'debug',
}
const signing = `whsec_${Buffer.from(hidden('signing').padEnd(48, 'x')).toString('base64')}`
const needles = (text: string) =>
  [/hush-[a-z-]+-0123/gi, new RegExp(signing.slice(6, 40).replaceAll('+', '\\+'), 'g')].flatMap(
    (needle) => text.match(needle) ?? [],
  )

type Made = { id: string; token: string }

/** Requests that go wrong with a token and a signing secret in them; what was answered, all of it. */
async function provoke({ url }: Server, { token, weak }: { token: string; weak: string }): Promise<string> {
  const told: string[] = []
  const send = async (path: string, init: RequestInit, bearer = token) => {
    const reply = await fetch(url + path, {
      ...init,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', ...init.headers },
    })
    told.push(`${reply.status} ${JSON.stringify([...reply.headers])} ${await reply.text()}`)
  }
  const post = (path: string, body: string, bearer?: string) => send(path, { method: 'POST', body }, bearer)
  const webhook = { url: 'https://crm.example/', secret: signing }
  for (const body of [
    JSON.stringify(webhook).slice(0, -1),
    `${JSON.stringify(webhook)}${signing}`,
    `"${signing}"`,
    signing,
    JSON.stringify({ ...webhook, secret: `${signing}=` }),
    JSON.stringify({ ...webhook, secret: [signing] }),
    JSON.stringify({ ...webhook, secret: signing.repeat(9) }),
    JSON.stringify({ ...webhook, format: 7 }),
    JSON.stringify({ ...webhook, url: 'https://10.0.0.1/' }),
    JSON.stringify({ ...webhook, url: `https://user:${hidden('url')}@crm.example/` }),
    JSON.stringify({ ...webhook, ['__proto__']: signing }),
  ])
    await post('/v1/webhooks', body)
  await post('/v1/webhooks/wh_0/rotate', JSON.stringify({ secret: signing.slice(1) }))
  await post('/v1/webhooks', JSON.stringify(webhook), weak)
  await post('/v1/events', signing)
  await post('/v1/events', JSON.stringify({ ...eventOf(), token }), weak)
  await send('/v1/users/u/personas', {}, `${token} ${token}`)
  await send('/v1/users/u/personas', { headers: { authorization: `Basic ${token}` } })
  await send('/v1/users/u/personas', { headers: { authorization: token } })
  await send(`/v1/changes?after=${token}`, {})
  await send('/nowhere', { method: 'DELETE' })
  return told.join('\n')
}

describe('secrets', () => {
  it('are not shown by `config`, nor is what a URL carries', async () => {
    for (const args of [['config'], ['config', '--json']]) {
      const { code, stdout, stderr } = await run(args, { env: environment })
      assert.equal(code, 0, stderr)
      assert.deepEqual(needles(stdout + stderr), [])
      assert.ok(stdout.includes('(set)') && stdout.includes('@labels.example/v1'))
    }
  })

  it('are in no log and no error of a service, well or not', () =>
    withDirectory(async (dir) => {
      for (const broken of [false, true]) {
        const data = join(dir, String(broken))
        mkdirSync(data)
        if (broken) writeFileSync(join(data, 'webhooks'), 'no directory')
        const add = (scope: string) =>
          json<Made>(['tokens', 'add', 'x', '--scopes', scope, '--data', data], { env: environment })
        const [admin, weak] = [await add('admin'), await add('lookup')]
        const server = await serve(data, { env: environment })
        const told = await provoke(server, { token: admin.token, weak: weak.token })
        assert.match(told, /"webhook refused"/)
        const made = await fetch(`${server.url}/v1/webhooks`, {
          method: 'POST',
          headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ url: 'https://crm.invalid/', secret: signing }),
        })
        assert.equal(made.status, broken ? 503 : 201)
        if (!broken) assert.ok((await made.text()).includes(signing), 'shown once, to who made it')
        const { stdout, stderr } = await server.stop()
        assert.ok(!broken || stderr.includes('"level":50'), 'something was logged as an error')
        for (const text of [...told.split('\n'), stdout, stderr]) {
          assert.deepEqual(needles(text), [], text)
          for (const { token } of [admin, weak]) assert.ok(!text.includes(token.slice(8)), text)
        }
      }
    }))

  it('are in no log while Kafka cannot be reached with them', () =>
    withDirectory(async (dir) => {
      const server = await serve(join(dir, 'data'), {
        env: {
          ...environment,
          KINDRED_KAFKA_BROKERS: '127.0.0.1:1',
          KINDRED_KAFKA_TOPICS: 'shop',
          KINDRED_KAFKA_SASL: 'plain',
          KINDRED_KAFKA_USER: 'user',
        },
      })
      await until('it says so', () => /127\.0\.0\.1:1/.test(server.stderr()))
      const { body } = await server.get('/readyz')
      const { stdout, stderr } = await server.kill()
      assert.deepEqual(needles(JSON.stringify(body) + stdout + stderr), [])
    }))
})
