// Tokens of an OAuth 2.0 endpoint that fails in every way: one that serves is given meanwhile, and no failure is fatal.
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { TransientError, UsageError } from '../../src/errors.ts'
import { createKafka } from '../../src/kafka/client.ts'
import { kafkaFailure } from '../../src/kafka/problem.ts'
import { tokenProvider } from '../../src/kafka/token.ts'
import { until } from '../support/wait.ts'

const lifeSeconds = 1000

describe('tokens for Kafka', () => {
  it('are asked for once by all who wait, and kept for most of their life', () =>
    withEndpoint(async ({ token, clock, asked }) => {
      assert.deepEqual(await Promise.all([token(), token(), token()]), ['token 1', 'token 1', 'token 1'])
      clock.ms += 790_000
      assert.equal(await token(), 'token 1')
      assert.equal(asked(), 1)
    }))

  it('are renewed before they end, while nobody waits', () =>
    withEndpoint(async ({ token, clock, asked }) => {
      await token()
      clock.ms += 810_000
      assert.equal(await token(), 'token 1')
      await until('the next is there', async () => (await token()) === 'token 2')
      assert.equal(asked(), 2)
    }))

  it('are waited for when the end of the one before is near, but not for long', () =>
    withEndpoint(async ({ token, clock, fail, asked }) => {
      await token()
      clock.ms += 985_000
      assert.equal(await token(), 'token 2')
      clock.ms += 985_000
      fail((_, response) => response.writeHead(503).end())
      assert.equal(await token(), 'token 2', 'the one before still serves')
      clock.ms += 1_001
      fail(() => undefined)
      assert.equal(await token(), 'token 2')
      assert.equal(asked(), 4)
    }))

  it('whose life is not told are kept for some minutes', () =>
    withEndpoint(async ({ token, clock, fail, asked }) => {
      for (const told of ['', ',"expires_in":null', ',"expires_in":0', ',"expires_in":""']) {
        fail((_, response) => response.writeHead(201).end(`{"access_token":"x"${told}}`))
        const before = asked()
        clock.ms += 1_000_000
        for (let i = 0; i < 4; i++) {
          assert.equal(await token(), 'x', told)
          clock.ms += 50_000
        }
        assert.equal(asked(), before + 1)
      }
    }))

  it('serve on while the endpoint fails, which is asked once a second at most', () =>
    withEndpoint(async ({ token, clock, asked, fail, late }) => {
      await token()
      fail((request) => request.socket.destroy())
      clock.ms += 810_000
      assert.equal(await token(), 'token 1')
      await until('the failure is told', () => late.length === 1)
      assert.match(late[0]!, /cannot be reached/)
      for (let i = 0; i < 10; i++) assert.equal(await token(), 'token 1')
      assert.equal(asked(), 2)
      clock.ms += 1_001
      assert.equal(await token(), 'token 1')
      await until('the next failure is told', () => late.length === 2)
      assert.equal(asked(), 3)
      clock.ms = lifeSeconds * 1000 - 900
      await assert.rejects(token(), TransientError)
      fail(undefined)
      await assert.rejects(token(), TransientError)
      assert.equal(asked(), 4)
      clock.ms += 1_001
      assert.equal(await token(), 'token 5')
    }))

  const failures: [string, RequestListener, RegExp][] = [
    ['resets', (request) => request.socket.destroy(), /cannot be reached/],
    [
      'breaks off',
      (_, response) => response.writeHead(200, { 'content-length': 9 }).write('{', () => response.destroy()),
      /cannot be reached/,
    ],
    ['is overloaded', (_, response) => response.writeHead(503).end('later'), /answers 503$/],
    [
      'knows no such client',
      (_, response) =>
        response.writeHead(401).end('{"error":"invalid_client","error_description":"no such client"}'),
      /answers 401 \(invalid_client no such client\): check KINDRED_KAFKA_OAUTH_CLIENT/,
    ],
    ['is a page', (_, response) => response.end('<html>'), /without a token .* KINDRED_KAFKA_OAUTH_URL/],
    [
      'gives a token that has ended',
      (_, response) => response.end('{"access_token":"x","expires_in":-1}'),
      /without a token/,
    ],
  ]
  for (const [what, listener, message] of failures)
    it(`are not there when the endpoint ${what}: told so, and tried again`, () =>
      withEndpoint(async ({ token, clock, fail }) => {
        fail(listener)
        await assert.rejects(token(), (error: unknown) => {
          // kafkajs takes an error's cause for the error
          const seen = kafkaFailure(new Error('of kafkajs', { cause: error }), 'sending')
          assert.ok(seen instanceof TransientError)
          assert.match(seen.message, message)
          return true
        })
        fail(undefined)
        clock.ms += 1_001
        assert.match(await token(), /^token/)
      }))

  it('are not asked for at what is no endpoint', () => {
    for (const kafkaOauthUrl of ['tokens.example.com', 'ftp://a/token', 'https://client:secret-1@a/token'])
      assert.throws(
        () => createKafka({ ...connection, kafkaSasl: 'oauthbearer', kafkaOauthUrl }),
        (error: unknown) => error instanceof UsageError && !error.message.includes('secret-1'),
      )
  })
})

const connection = {
  kafkaBrokers: 'localhost:9092',
  kafkaTls: '',
  kafkaTlsCa: '',
  kafkaTlsCert: '',
  kafkaTlsKey: '',
  kafkaUser: '',
  kafkaPassword: '',
  kafkaOauthClient: 'a',
  kafkaOauthSecret: 'b',
  kafkaOauthScope: '',
}

type Case = {
  readonly token: () => Promise<string>
  readonly clock: { ms: number }
  readonly asked: () => number
  /** From now on it answers so. */
  readonly fail: (listener: RequestListener | undefined) => void
  readonly late: string[]
}

async function withEndpoint(work: (test: Case) => Promise<void>): Promise<void> {
  let asked = 0
  let failing: RequestListener | undefined
  const server = createServer((request, response) => {
    asked++
    request.resume()
    if (failing !== undefined) return failing(request, response)
    // told as text, as some do
    response.end(JSON.stringify({ access_token: `token ${asked}`, expires_in: String(lifeSeconds) }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const clock = { ms: 0 }
    const late: string[] = []
    const provide = tokenProvider({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      client: 'a',
      secret: 'b',
      scope: '',
      onLate: (why) => late.push(why),
      now: () => clock.ms,
    })
    await work({
      token: async () => (await provide()).value,
      clock,
      asked: () => asked,
      fail(listener) {
        failing = listener
      },
      late,
    })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
