// 100,000 requests to a real `serve`, from its OpenAPI document and from garbage, by callers with and without the right to:
// no 5xx but a documented 503, every error a problem, nobody without the right changes anything, nothing is kept in memory,
// and the service is as well at the end as at the beginning.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { scopes } from '../../src/http/tokens.ts'
import {
  type ApiRequest,
  type Caller,
  type DocumentedOperation,
  requestsOf,
} from '../support/api-requests.ts'
import { oddIds } from '../support/bad-records.ts'
import { json, lines, makeDirectory, removeDirectory, succeed } from '../support/command.ts'
import { EventReader } from '../support/event-stream.ts'
import { eventOf } from '../support/events.ts'
import { assertSound } from '../support/exports.ts'
import { garbage } from '../support/garbage.ts'
import type { Answer } from '../support/http-answers.ts'
import type { Held } from '../support/memory-probe.ts'
import { assertAnswer } from '../support/openapi.ts'
import { pipelined, raw } from '../support/pipelined.ts'
import { type Server, serve } from '../support/server.ts'
import { smallShop, writeShop } from '../support/shop-files.ts'
import { until } from '../support/wait.ts'
import { type Receiver, startReceiver } from '../support/webhook-receiver.ts'

const seed = 20_250_407
/** Requests of each kind; together more than 100,000. */
const counts = { refused: 20_000, warm: 12_000, fromDocument: 48_000, fromGarbage: 22_000 }
const batchSize = 64
const connections = 8
const rounds = 8
const streamsPerRound = 25

/**
 * Bytes that the thread that answers may hold more for each request, from the median of the first third of looks to that of the
 * last. What is kept for a request is an object of some 50 bytes at least, and its place in what keeps it.
 */
const heapBytesPerRequestMax = 24
/** Memory of the process that is no file; allocators do not give all of it back, the engine's tables and log buffers grow. */
const anonymousBytesMax = 96 * 2 ** 20

const shop = smallShop({ seed: 31, shoppers: 150 })
const shoppers = [...new Set(shop.events.map((line) => (JSON.parse(line) as { user_id: string }).user_id))]

describe('fuzz', () => {
  let dir: string
  let data: string
  let server: Server
  let port: number
  let receiver: Receiver
  let callers: Caller[]
  let admin: string
  const seen = new Map<string, number>()
  /** Ids of webhooks that were made. */
  const webhooks: string[] = []

  before(async () => {
    dir = makeDirectory()
    data = join(dir, 'data')
    const files = writeShop(dir, shop)
    await succeed(['replay', files.events, '--data', data, '--prototypes', files.prototypes])
    await succeed(['replay', '-', '--data', data], { stdin: '{"broken\nmore\n' })
    receiver = await startReceiver()
    callers = await makeCallers(data)
    admin = callers.find(({ name }) => name === 'admin')!.authorization!
    server = await serve(data, {
      preload: new URL('../support/memory-probe.js', import.meta.url),
      secondsMax: 600,
      env: {
        // deliveries go to the receiver of this test, and to nobody else: the fuzz knows no other URL that is allowed
        KINDRED_WEBHOOK_ALLOW_PRIVATE: 'true',
        KINDRED_WEBHOOK_ALLOW_HTTP: 'true',
        KINDRED_HOT_MEMORY_MB: '16',
      },
    })
    port = Number(new URL(server.url).port)
  })
  after(async () => {
    await server.kill()
    await receiver[Symbol.asyncDispose]()
    removeDirectory(dir)
  })

  const ask = async (method: string, path: string, body?: unknown) => {
    const reply = await fetch(server.url + path, {
      method,
      headers: {
        authorization: admin,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return (await reply.json()) as Record<string, unknown>
  }

  /** What requests may change, as far as it can be asked for. */
  const state = async () => ({
    users: (await ask('POST', '/v1/users/personas', { user_ids: shoppers })).users,
    changes: ((await ask('GET', '/v1/changes?limit=1000')).changes as unknown[]).length,
    quarantine: await ask('GET', '/v1/quarantine'),
    webhooks: await ask('GET', '/v1/webhooks'),
  })

  const run = (
    options: {
      count: number
      seed: number
      callers?: readonly Caller[]
      only?: (request: ApiRequest) => boolean
    } & Partial<Weights>,
    check: (request: ApiRequest, answer: Answer) => void,
  ) => {
    const { callers: some = callers, weightOf = weightOfAll, only = () => true } = options
    const arbitrary = requestsOf(known(receiver), { callers: some, weightOf })
    const requests = fc.sample(arbitrary, { numRuns: options.count, seed: options.seed }).filter(only)
    return batches(requests, async (drawn) => {
      const batch = drawn.map((request) => ({ ...request, bytes: named(request.bytes, webhooks.at(-1)) }))
      const answers = await pipelined(port, batch)
      for (const [i, answer] of answers.entries()) {
        assertWell(answer, batch[i]!.bytes)
        note(seen, answer)
        if (answer.status === 201) webhooks.push((JSON.parse(answer.body) as { id: string }).id)
        check(batch[i]!, answer)
      }
    })
  }

  it('who may not is refused, whatever they ask, and changes nothing', async () => {
    const nobody = callers.filter(({ name }) => name !== 'admin')
    const before = await state()
    const { first_position: position } = await ask('POST', '/v1/events', mark(0))
    let refused = 0
    const only = ({ may }: ApiRequest) => !may
    const scoped = { callers: nobody, weightOf: weightOfScoped, only }
    await run({ count: counts.refused, seed, ...scoped }, (request, answer) => {
      refused++
      assertMeant(request, answer)
    })
    assert.ok(refused > counts.refused / 2, `${refused} were refused`)
    const bytes = fc.sample(garbage({ wells: wells('nameless'), bearers: [] }), { numRuns: 2000, seed })
    await batches(bytes, async (batch) => {
      for (const one of batch) for (const answer of await raw(port, one)) assertWell(answer, one)
    })
    assert.deepEqual(await state(), before)
    const { first_position: next } = await ask('POST', '/v1/events', mark(1))
    assert.equal(Number(next), Number(position) + 1, 'nothing was appended to the log between')
  })

  it('what the document says is taken is taken, and what it does not is not', async () => {
    await run({ count: counts.warm, seed: seed + 1 }, (request, answer) => {
      assertMeant(request, answer)
      assertAnswer(
        { method: request.method, path: request.operation.path },
        { statusCode: answer.status, headers: answer.headers, body: answer.body },
      )
    })
    for (const status of [200, 201, 202, 204, 400, 401, 403, 404, 410, 422])
      assert.ok(seen.has(String(status)), `some are answered with ${status}: ${JSON.stringify([...seen])}`)
  })

  it('nothing is kept in memory, neither for requests nor for garbage', async (t) => {
    const held: Held[] = []
    const { fromDocument, fromGarbage } = counts
    const soiled = garbage({
      wells: wells('admin'),
      bearers: callers.flatMap((one) => one.authorization ?? []),
    })
    for (let round = 0; round < rounds; round++) {
      await run({ count: fromDocument / rounds, seed: seed + 100 + round }, assertMeant)
      const bytes = fc.sample(soiled, { numRuns: fromGarbage / rounds, seed: seed + 200 + round })
      await batches(bytes, async (batch) => {
        for (const one of batch)
          for (const answer of await raw(port, one)) {
            assertWell(answer, one)
            note(seen, answer)
          }
      })
      for (let n = 0; n < streamsPerRound; n++)
        await (await EventReader.open(`${server.url}/v1/changes/stream?after=0`, { authorization: admin }))[
          Symbol.asyncDispose
        ]()
      await idle()
      held.push(await holds(server))
    }
    const requests = ((fromDocument + fromGarbage) / rounds) * (rounds - 3)
    const growth = grown(held.map(({ heap }) => heap))
    t.diagnostic(`held: ${JSON.stringify(held)}; answers: ${JSON.stringify(Object.fromEntries(seen))}`)
    assert.ok(growth < heapBytesPerRequestMax * requests, `${growth} bytes for ${requests} requests`)
    const anonymous = grown(held.map((one) => one.anonymous))
    assert.ok(anonymous < anonymousBytesMax, `${anonymous} bytes of the process`)
    const files = held.map((one) => one.files)
    assert.ok(files.at(-1)! <= files[0]! + 4, `open files: ${files}`)
  })

  it('the service is as well as it was: ingest goes on, and every lookup is right', async () => {
    const news = Array.from({ length: 300 }, (_, n) =>
      eventOf({ event_id: `end-${n}`, user_id: `end ${n % 60}`, product_id: productOf(n) }),
    )
    assert.equal((await ask('POST', '/v1/events', news)).accepted, news.length)
    await idle()
    assert.ok(!/"level":[56]0/.test(server.stderr()), server.stderr().slice(-2000))
    const users = await lines<{ user_id: string; status: string; primary: string | null }>([
      'export',
      'users',
      '--data',
      data,
    ])
    assert.equal(users.filter(({ user_id }) => user_id.startsWith('end ')).length, 60)
    for (let from = 0; from < users.length; from += 500) {
      const some = users.slice(from, from + 500)
      const user_ids = some.map(({ user_id }) => user_id)
      const answers = (await ask('POST', '/v1/users/personas', { user_ids })).users as typeof users
      for (const [i, { user_id, status, primary }] of some.entries())
        assert.deepEqual(
          [answers[i]!.user_id, answers[i]!.status, answers[i]!.primary],
          [user_id, status, primary],
        )
    }
    assert.equal((await server.stop()).code, 0)
    await assertSound(data)
  })

  const idle = () => until('all is applied', async () => (await ask('GET', '/readyz')).backlog === 0)

  /** Requests of one caller, to be broken. */
  function wells(caller: string): Buffer[] {
    const able = callers.filter(({ name }) => name === caller)
    const requests = requestsOf(known(receiver), { callers: able, weightOf: weightOfScoped })
    return fc.sample(requests, { numRuns: 300, seed: seed + 3 }).map(({ bytes }) => bytes)
  }
})

async function makeCallers(data: string): Promise<Caller[]> {
  const add = async (name: string, scope: string): Promise<Caller & { id: string }> => {
    const args = ['tokens', 'add', name, '--scopes', scope, '--data', data]
    const { id, token } = await json<{ id: string; token: string }>(args)
    return { id, name, authorization: `Bearer ${token}`, scopes: [scope] }
  }
  const able: Caller[] = []
  for (const scope of scopes) able.push(await add(scope, scope))
  const revoked = await add('revoked', 'admin')
  await json(['tokens', 'revoke', revoked.id, '--data', data])
  const none = { scopes: [] }
  return [
    ...able,
    ...able,
    ...able.filter(({ name }) => name === 'admin'),
    { ...none, name: 'revoked', authorization: revoked.authorization },
    { ...none, name: 'stranger', authorization: 'Bearer kindred_of_nobody' },
    { ...none, name: 'other', authorization: 'Basic YTpi' },
    { ...none, name: 'nameless', authorization: undefined },
  ]
}

/** Values that mean something here; the URLs are all that webhooks are ever made with. */
function known(receiver: Receiver) {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  return {
    texts: [
      ...shoppers.slice(0, 40),
      ...oddIds.slice(0, 8),
      '.',
      '..',
      'personas',
      'a/b',
      ...Array.from({ length: 12 }, () => latestWebhook),
    ],
    byName: {
      url: fc.constantFrom(
        `${receiver.url}/a`,
        `${receiver.url}/b`,
        'http://127.0.0.1:1/',
        'ftp://127.0.0.1/',
      ),
      secret: fc.constant(secret),
      directions: fc.constantFrom(['entered'], ['exited'], ['entered', 'exited']),
      name: fc.constantFrom('no such persona', '..', 'Home Cook', '\u0000'),
      product_id: fc.nat(60).map(productOf),
    },
  }
}

const latestWebhook = 'wh-latest'

function named(bytes: Buffer, webhook = latestWebhook): Buffer {
  const path = `/webhooks/${latestWebhook}`
  const at = bytes.indexOf(path)
  if (at < 0) return bytes
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from(`/webhooks/${webhook}`),
    bytes.subarray(at + path.length),
  ])
}

function productOf(n: number): string {
  return (JSON.parse(shop.events[(n * 7) % shop.events.length]!) as { product_id: string }).product_id
}

type Weights = { readonly weightOf: (operation: DocumentedOperation) => number }

/** The stream does not end; erasures and replays are written to disk one by one, and tests of webhooks go out. */
function weightOfAll(operation: DocumentedOperation): number {
  const { path, method } = operation
  if (path === '/v1/changes/stream') return 0
  if (path.startsWith('/v1/users') && method === 'DELETE') return 1
  return /replay$|\/test$/.test(path) ? 2 : 12
}

/** Of those that not everybody may ask, each alike. */
function weightOfScoped({ scope, path }: DocumentedOperation): number {
  return scope === undefined || path === '/v1/changes/stream' ? 0 : 1
}

/** Works through `all` in batches, on several connections at a time. */
async function batches<T>(all: readonly T[], work: (batch: T[]) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < all.length) {
      const batch = all.slice(next, next + batchSize)
      next += batchSize
      await work(batch)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
}

/** No 5xx but a 503 that says when to come again, and every error a problem. */
function assertWell(answer: Answer, bytes: Uint8Array): void {
  const { status, headers, body } = answer
  const shown = () =>
    `${Buffer.from(bytes).toString('latin1').slice(0, 800)}\n→ ${status} ${body.slice(0, 800)}`
  assert.ok(status < 500 || (status === 503 && headers['retry-after'] !== undefined), shown())
  assert.equal(headers['x-content-type-options'], 'nosniff', shown())
  assert.ok(!Object.keys(headers).some((name) => name.startsWith('access-control')), shown())
  if (status < 400 || body === '') return
  assert.match(headers['content-type'] ?? '', /^application\/problem\+json/, shown())
  const problem = JSON.parse(body) as Record<string, unknown>
  assert.equal(problem.status, status, shown())
  for (const field of ['type', 'title', 'detail']) assert.ok(typeof problem[field] === 'string', shown())
}

/** Whoever may not is refused; what fits is not called wrong, and what does not is. */
function assertMeant(request: ApiRequest, answer: Answer): void {
  const { status } = answer
  if (!request.may) return assertShown(status === 401 || status === 403, request, answer)
  if (request.fits && /"bad cursor"/.test(answer.body)) return // whether a place was ever given out, no schema says
  if (request.fits) return assertShown(![400, 401, 403, 405, 413, 415].includes(status), request, answer)
  assertShown(status === 400 || status === 404 || status === 414, request, answer)
}

function assertShown(holds: boolean, { bytes, caller }: ApiRequest, { status, body }: Answer): void {
  if (holds) return
  assert.fail(`${caller.name}: ${bytes.toString('utf8').slice(0, 1200)}\n→ ${status} ${body.slice(0, 800)}`)
}

function note(seen: Map<string, number>, { status }: Answer): void {
  seen.set(String(status), (seen.get(String(status)) ?? 0) + 1)
}

function mark(n: number): object {
  return eventOf({ event_id: `mark-${n}`, user_id: 'mark', product_id: 'mark' })
}

async function holds({ child }: Server): Promise<Held> {
  return new Promise((resolve) => {
    child.once('message', (held) => resolve(held as Held))
    child.send('held')
  })
}

/** From the median of the first three looks to that of the last three. */
function grown(values: readonly number[]): number {
  const median = (three: readonly number[]) => three.toSorted((a, b) => a - b)[1]!
  return median(values.slice(-3)) - median(values.slice(0, 3))
}
