// The API without a process: every route and error, over ports that the test holds in its hand.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { type AppPorts, createApp } from '../../src/http/app.ts'
import type { PersonasAnswer } from '../../src/lookup/answer.ts'
import type { BlockInput } from '../../src/source/log-block.ts'
import { badRecords, oddIds } from '../support/bad-records.ts'
import { eventOf, ndjsonOf, purchases } from '../support/events.ts'

const bodyBytesMax = 64 * 1024
const json = 'application/json'
const ndjson = 'application/x-ndjson'

const none = () => undefined
/** What these tests do not ask for. */
const nothing = {
  explain: async () => undefined,
  product: none,
  personaSet: async () => assert.fail('not counted'),
  audience: async () => undefined,
  userChanges: async () => undefined,
  feed: () => ({ rows: [], cursor: 0, more: false, newest: 0 }),
  quarantined: () => [],
  erase: async () => assert.fail('not erased'),
  requeue: async () => undefined,
  behindMs: () => 0,
} satisfies Partial<AppPorts>

type Ports = { -readonly [name in keyof AppPorts]: AppPorts[name] } & { readonly taken: string[] }

/** Ports of a service that is well and knows nobody; what is appended is kept in `taken`. */
function portsOf(): Ports {
  const taken: string[] = []
  return {
    taken,
    lookUp: () => undefined,
    lookUpJson: () => undefined,
    async append({ records }: BlockInput) {
      const first = taken.length
      taken.push(...records.map((record) => Buffer.from(record).toString('utf8')))
      return { first, next: taken.length }
    },
    ...nothing,
    backlog: () => ({ records: 0, full: false }),
    notReady: () => undefined,
    ingestProblem: () => undefined,
  }
}

async function withApp(work: (app: FastifyInstance, ports: Ports) => Promise<void>): Promise<void> {
  const ports = portsOf()
  const app = createApp({ ports, bodyBytesMax })
  try {
    await work(app, ports)
  } finally {
    await app.close()
  }
}

function post(app: FastifyInstance, payload: string | Buffer, type: string | undefined = json) {
  const headers = type === undefined ? {} : { 'content-type': type }
  return app.inject({ method: 'POST', url: '/v1/events', headers, payload } as InjectOptions)
}

/** The body of an error, which is a problem (RFC 9457) of `status`. */
function problemOf(reply: LightMyRequestResponse, status: number): Record<string, unknown> {
  assert.equal(reply.statusCode, status, reply.body)
  assert.match(String(reply.headers['content-type']), /^application\/problem\+json/)
  const problem = reply.json() as Record<string, unknown>
  assert.equal(problem.status, status)
  for (const field of ['type', 'title', 'detail'])
    assert.ok(typeof problem[field] === 'string' && problem[field] !== '', `${field} of ${reply.body}`)
  return problem
}

function answerOf(user_id: string): PersonasAnswer {
  return {
    user_id,
    status: 'inferred',
    personas: [{ persona: 'A', probability: 0.5, since: '2025-01-01T00:00:00.000Z' }],
    primary: 'A',
    landing_mass: 0.25,
    method: 'exact',
    version: 3,
    prototype_set_version: 1,
    calibration_epoch: 0,
  }
}

describe('GET /v1/users/:id/personas', () => {
  it('is the answer of the user that the path names, of any id', () =>
    withApp(async (app, ports) => {
      ports.lookUpJson = (id) => JSON.stringify(answerOf(id))
      for (const id of oddIds) {
        const reply = await app.inject({ url: `/v1/users/${encodeURIComponent(id)}/personas` })
        assert.equal(reply.statusCode, 200, JSON.stringify(id))
        assert.match(String(reply.headers['content-type']), /^application\/json/)
        assert.deepEqual(reply.json(), answerOf(id), JSON.stringify(id))
      }
    }))

  it('of a user never seen is 404, which names the user', () =>
    withApp(async (app) => {
      const problem = problemOf(await app.inject({ url: '/v1/users/a%2Fb/personas' }), 404)
      assert.equal(problem.user_id, 'a/b')
      assert.match(String(problem.detail), /no event/)
    }))

  it('of what cannot be an id is 400, which says why', () =>
    withApp(async (app, ports) => {
      ports.lookUpJson = () => assert.fail('not looked up')
      for (const [id, says] of [
        ['x'.repeat(257), /257 bytes/],
        [encodeURIComponent('家'.repeat(86)), /258 bytes/],
        ['x'.repeat(4000), /4000 bytes/],
        ['', /empty|not part of the API/],
      ] as const) {
        const reply = await app.inject({ url: `/v1/users/${id}/personas` })
        assert.match(String(problemOf(reply, 400).detail), says)
      }
    }))

  it('with a path that is not percent-encoded well, or far too long, is refused', () =>
    withApp(async (app) => {
      for (const id of ['%', '%zz', '%ff', '%c0%af', '%ed%a0%80', 'x'.repeat(5000)]) {
        const reply = await app.inject({ url: `/v1/users/${id}/personas` })
        assert.ok([400, 404, 414].includes(reply.statusCode), `${id.slice(0, 10)}: ${reply.statusCode}`)
        problemOf(reply, reply.statusCode)
      }
    }))

  it('that fails within is 500, which tells nothing but the id of the request', () =>
    withApp(async (app, ports) => {
      ports.lookUpJson = () => {
        throw new Error('a secret of the house')
      }
      const problem = problemOf(await app.inject({ url: '/v1/users/a/personas' }), 500)
      assert.ok(!JSON.stringify(problem).includes('secret'))
      assert.ok(problem.request_id)
    }))
})

describe('POST /v1/events', () => {
  const three = purchases(3)

  it('takes one event, a list, and NDJSON, whole and in order', () =>
    withApp(async (app, ports) => {
      const bodies: [string, string, number][] = [
        [JSON.stringify(three[0]), json, 1],
        [JSON.stringify(three), json, 3],
        [JSON.stringify(three, undefined, 2), `${json}; charset=utf-8`, 3],
        [ndjsonOf(three), ndjson, 3],
        [ndjsonOf(three).replaceAll('\n', '\r\n\r\n'), 'application/ndjson', 3],
        [ndjsonOf(three).trimEnd(), 'Application/X-NDJSON', 3],
      ]
      for (const [body, type, count] of bodies) {
        const first = ports.taken.length
        const reply = await post(app, body, type)
        assert.equal(reply.statusCode, 202, `${type}: ${reply.body}`)
        assert.deepEqual(reply.json(), {
          accepted: count,
          first_position: first,
          next_position: first + count,
        })
        assert.deepEqual(
          ports.taken.slice(first).map((text) => JSON.parse(text)),
          three.slice(0, count),
        )
      }
    }))

  it('takes ids of any Unicode as they are', () =>
    withApp(async (app, ports) => {
      const events = oddIds.map((id) => eventOf({ event_id: id, user_id: id, product_id: id }))
      for (const [body, type] of [
        [JSON.stringify(events), json],
        [ndjsonOf(events), ndjson],
      ] as const) {
        ports.taken.length = 0
        assert.equal((await post(app, body, type)).statusCode, 202)
        assert.deepEqual(
          ports.taken.map((text) => JSON.parse(text)),
          events,
        )
      }
    }))

  it('with an event that is not valid is 400 and takes none, naming each by its place', () =>
    withApp(async (app, ports) => {
      const bad = badRecords.filter(({ bytes }) => typeof bytes === 'string' && bytes.length < 2000)
      for (const { what, bytes, cause } of bad) {
        const reply = await post(app, `${JSON.stringify(three[0])}\n${bytes as string}\n`, ndjson)
        assert.equal(reply.statusCode, 400, what)
        const { problems } = problemOf(reply, 400)
        const [problem] = problems as { index: number; cause: string }[]
        assert.equal(problem?.index, 1, what)
        assert.match(problem?.cause ?? '', cause, what)
      }
      const reply = await post(app, JSON.stringify([three[0], { ...three[1], ts: 'x' }, 5]))
      assert.match(String(problemOf(reply, 400).detail), /2 of 3 events .* none was taken/)
      assert.deepEqual(ports.taken, [])
    }))

  it('that holds nothing to take is 400, and says what to send', () =>
    withApp(async (app, ports) => {
      for (const [body, type, says] of [
        ['', json, /empty/],
        ['', undefined, /empty/],
        ['\n \n', ndjson, /no event/],
        ['[]', json, /no event/],
        ['{', json, /not JSON.*x-ndjson/],
        [ndjsonOf(three), json, /not JSON.*x-ndjson/],
        [Buffer.from([0x7b, 0xff, 0x7d]), json, /UTF-8/],
        [Buffer.from([0x7b, 0xff, 0x7d]), ndjson, /UTF-8/],
        [`${'['.repeat(30_000)}${']'.repeat(30_000)}`, json, /./],
      ] as const)
        assert.match(String(problemOf(await post(app, body, type), 400).detail), says)
      assert.deepEqual(ports.taken, [])
    }))

  it('that is long is validated in slices: others are answered meanwhile, and all of it is judged', () =>
    withApp(async (app, ports) => {
      const many = Array.from({ length: 400 }, (_, n) => eventOf({ event_id: `m${n}`, title: undefined }))
      for (const [body, type] of [
        [JSON.stringify(many), json],
        [ndjsonOf(many), ndjson],
      ] as const) {
        ports.taken.length = 0
        assert.equal((await post(app, body, type)).statusCode, 202)
        assert.deepEqual(
          ports.taken.map((text) => JSON.parse(text)),
          many.map((event) => JSON.parse(JSON.stringify(event))),
        )
      }
      const spoiled = [...many, { ...many[0], ts: '?' }, JSON.stringify(many[0])]
      const { problems } = problemOf(await post(app, JSON.stringify(spoiled)), 400)
      assert.deepEqual(
        (problems as { index: number }[]).map(({ index }) => index),
        [400, 401],
      )
      const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
      problemOf(await post(app, `[${JSON.stringify(many[0])},${deep}]`), 400)
    }))

  it('that is too large is 413, and of another type 415', () =>
    withApp(async (app, ports) => {
      problemOf(await post(app, ' '.repeat(bodyBytesMax + 1)), 413)
      for (const type of [
        'text/csv',
        'text/plain',
        'application/octet-stream',
        'multipart/form-data; boundary=x',
      ])
        problemOf(await post(app, JSON.stringify(three), type), 415)
      assert.deepEqual(ports.taken, [])
    }))

  it('while the backlog is full is 503 with Retry-After, and takes none', () =>
    withApp(async (app, ports) => {
      ports.backlog = () => ({ records: 1234, full: true })
      const reply = await post(app, JSON.stringify(three))
      assert.match(String(problemOf(reply, 503).detail), /1234 events wait/)
      assert.ok(Number(reply.headers['retry-after']) >= 1)
      assert.deepEqual(ports.taken, [])
    }))

  it('that cannot be stored is 503 with Retry-After', () =>
    withApp(async (app, ports) => {
      ports.append = () => Promise.reject(new Error('no space left'))
      const reply = await post(app, JSON.stringify(three))
      assert.match(String(problemOf(reply, 503).detail), /no space left.*none was taken/)
      assert.ok(Number(reply.headers['retry-after']) >= 1)
    }))

  it('is not acknowledged before it is stored', () =>
    withApp(async (app, ports) => {
      let store: (at: { first: number; next: number }) => void = () => undefined
      ports.append = () =>
        new Promise((resolve) => {
          store = resolve
        })
      let acknowledged = false
      const reply = post(app, JSON.stringify(three)).then((answer) => {
        acknowledged = true
        return answer
      })
      assert.equal((await app.inject({ url: '/healthz' })).statusCode, 200) // others are answered meanwhile
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(acknowledged, false)
      store({ first: 7, next: 10 })
      const answer = await reply
      assert.deepEqual(answer.json(), { accepted: 3, first_position: 7, next_position: 10 })
      assert.equal(answer.statusCode, 202)
    }))
})

describe('the service', () => {
  it('is alive, and ready unless something is wrong', () =>
    withApp(async (app, ports) => {
      ports.backlog = () => ({ records: 5, full: false })
      assert.deepEqual((await app.inject({ url: '/healthz' })).json(), { status: 'ok' })
      assert.deepEqual((await app.inject({ url: '/readyz' })).json(), {
        status: 'ready',
        role: 'all',
        backlog: 5,
        behind_ms: 0,
        ingest_problem: null,
      })
      ports.notReady = () => 'ingest has ended: the disk is full'
      assert.equal((await app.inject({ url: '/healthz' })).statusCode, 200)
      const problem = problemOf(await app.inject({ url: '/readyz' }), 503)
      assert.match(String(problem.detail), /the disk is full/)
    }))

  it('says 404 for what is not part of the API, as a problem', () =>
    withApp(async (app) => {
      for (const [method, url] of [
        ['GET', '/'],
        ['POST', '/v1/user'],
        ['GET', '/v1/users/a/personas/b?c=d'],
      ] as const) {
        const problem = problemOf(await app.inject({ method, url }), 404)
        assert.match(String(problem.detail), new RegExp(`^${method} \\S+ is not part of the API`))
      }
    }))

  it('says 405 for a method that a path does not take, and which it takes', () =>
    withApp(async (app) => {
      for (const [method, url, allow] of [
        ['GET', '/v1/events', 'POST'],
        ['POST', '/v1/users/a/personas', 'GET, HEAD'],
        ['GET', '/v1/users/a?b=c', 'DELETE'],
        ['DELETE', '/v1/users/a/personas', 'GET, HEAD'],
        ['PUT', '/v1/users/personas', 'DELETE, GET, HEAD, POST'], // a user may have that id
        ['PUT', '/v1/%70ersonas', 'GET, HEAD'],
        ['HEAD', '/v1/changes/stream', 'GET'],
        ['POST', '/healthz', 'GET, HEAD'],
      ] as const) {
        const reply = await app.inject({ method, url })
        assert.equal(reply.headers.allow, allow, `${method} ${url}`)
        if (method !== 'HEAD') problemOf(reply, 405)
      }
    }))
})
