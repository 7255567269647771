// OpenRTB: what is sent is a Data object by the specification; deadlines, tags and staleness are kept.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { UsageError } from '../../src/errors.ts'
import { parseOpenRtbMapping } from '../../src/http/openrtb-mapping.ts'
import type { OpenRtbUser } from '../../src/http/schemas.ts'
import { type Api, usersOf, withApi } from '../support/api.ts'
import { assertAnswer } from '../support/openapi.ts'
import { openRtbDataSchema } from '../support/openrtb-schema.ts'

const isData = new Ajv2020().compile(openRtbDataSchema)

function assertData(data: readonly unknown[]): void {
  for (const object of data) assert.ok(isData(object), JSON.stringify([object, isData.errors]))
}

async function get(
  { app }: Pick<Api, 'app'>,
  id: string,
  { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {},
) {
  const reply = await app.inject({ url: `/v1/users/${encodeURIComponent(id)}/openrtb${query}`, headers })
  assertAnswer({ method: 'GET', path: '/v1/users/{id}/openrtb' }, reply)
  return reply
}

async function post(
  { app }: Pick<Api, 'app'>,
  user_ids: readonly string[],
  { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {},
): Promise<OpenRtbUser[]> {
  const reply = await app.inject({
    method: 'POST',
    url: `/v1/users/openrtb${query}`,
    headers,
    payload: { user_ids },
  })
  assertAnswer({ method: 'POST', path: '/v1/users/openrtb' }, reply)
  assert.equal(reply.statusCode, 200, reply.body)
  return reply.json().users
}

/** Looks up as before, but each lookup takes so long. */
function slow({ ports }: Api, ms: number): void {
  const { lookUp } = ports
  ports.lookUp = (id) => {
    for (const end = performance.now() + ms; performance.now() < end; );
    return lookUp(id)
  }
}

describe('openrtb', () => {
  it('is user.data[] of what is held, by the names of the personas, their probability as value', () =>
    withApi({}, async (api) => {
      for (const [status, ids] of Object.entries(usersOf(api)))
        for (const id of ids.slice(0, 20)) {
          const { data, ...rest } = (await get(api, id)).json() as OpenRtbUser
          assert.deepEqual(rest, {
            user_id: id,
            status,
            ...(status === 'unknown' ? { reason: 'evidence' } : {}),
          })
          assertData(data)
          const held = api.ports.lookUp(id)!.personas
          const segments = held.map(({ persona, probability }) => ({
            id: persona,
            name: persona,
            value: probability.toFixed(4),
          }))
          assert.deepEqual(data, held.length === 0 ? [] : [{ name: 'kindred', segment: segments }])
        }
    }))

  it('is in the taxonomies of the mapping, one Data object each; who is not mapped is not told of', () =>
    withApi({}, async (probe) => {
      const { personas } = await probe.ports.personaSet()
      const [first, second] = personas.toSorted((a, b) => b.users - a.users).map(({ name }) => name) as [
        string,
        string,
      ]
      const openRtb = parseOpenRtbMapping(
        JSON.stringify({
          data: [
            {
              id: 'k1',
              name: 'kindred.example',
              segtax: 600,
              segments: { [first]: '17', [second]: { id: '18', name: 'Two' } },
            },
            { name: 'other', segments: { [second]: 'only-this' } },
          ],
        }),
      )
      await withApi({ app: { openRtb } }, async (api) => {
        const seen = { first: 0, second: 0 }
        const { inferred } = usersOf(api)
        for (const { user_id, data } of await post(api, inferred)) {
          assertData(data)
          const held = api.ports.lookUp(user_id)!.personas.map(({ persona }) => persona)
          const expected = held.flatMap((persona) =>
            persona === first ? [['17', first]] : persona === second ? [['18', 'Two']] : [],
          )
          assert.deepEqual(
            data[0]?.name === 'kindred.example' ? data[0].segment.map(({ id, name }) => [id, name]) : [],
            expected,
          )
          if (expected.length > 0) assert.deepEqual([data[0]?.id, data[0]?.ext], ['k1', { segtax: 600 }])
          assert.equal(
            data.some(({ name }) => name === 'other'),
            held.includes(second),
          )
          if (held.includes(first)) seen.first++
          if (held.includes(second)) seen.second++
        }
        assert.ok(seen.first > 0 && seen.second > 0)
      })
    }))

  it('of a mapping that is none says where', () => {
    for (const [text, says] of [
      ['{', /not JSON/],
      ['{}', /data/],
      ['{"data":[]}', /data/],
      ['{"data":[{"segtax":"4"}]}', /data\.0\.segtax/],
      ['{"data":[{"segments":{"a":{}}}]}', /data\.0\.segments\.a/],
      ['{"data":[{"segment":{}}]}', /data\.0/],
    ] as const)
      assert.throws(
        () => parseOpenRtbMapping(text),
        (error) => error instanceof UsageError && says.test(error.message),
        text,
      )
  })

  it('in a batch has an entry an id, unknown for who was never seen', () =>
    withApi({}, async (api) => {
      const [id] = usersOf(api).inferred as [string]
      const users = await post(api, [id, 'nobody', id])
      assert.deepEqual(users[1], { user_id: 'nobody', status: 'unknown', reason: 'never_seen', data: [] })
      assert.deepEqual(users[0], (await get(api, id)).json())
      assert.deepEqual(users[2], users[0])
      const reply = await get(api, 'nobody')
      assert.equal(reply.statusCode, 404)
    }))

  it('past its deadline is an empty unknown, by query or header, the nearer of them', () =>
    withApi({}, async (api) => {
      const [id, other] = usersOf(api).inferred as [string, string]
      const late = (user_id: string) => ({ user_id, status: 'unknown', reason: 'deadline', data: [] })
      assert.deepEqual((await get(api, id, { query: '?deadline_ms=0' })).json(), late(id))
      assert.deepEqual((await get(api, id, { headers: { 'x-deadline-ms': '0' } })).json(), late(id))
      const both = { query: '?deadline_ms=60000', headers: { 'x-deadline-ms': '0' } }
      assert.deepEqual((await get(api, id, both)).json(), late(id))
      assert.equal((await get(api, id, { query: '?deadline_ms=60000' })).json().status, 'inferred')
      const { lookUp } = api.ports
      api.ports.lookUp = () => assert.fail('nothing is read for who has gone')
      await get(api, id, { query: '?deadline_ms=0' })
      await post(api, [id], { query: '?deadline_ms=0' })
      api.ports.lookUp = lookUp
      slow(api, 40)
      assert.deepEqual((await get(api, id, { query: '?deadline_ms=20' })).json(), late(id))
      assert.equal((await get(api, id)).json().status, 'inferred', 'without a deadline it is waited for')
      const users = await post(api, [id, other, id, id], { query: '?deadline_ms=60' })
      assert.equal(users[0]?.status, 'inferred')
      assert.deepEqual(users.slice(2), [late(id), late(id)])
      for (const query of ['?deadline_ms=-1', '?deadline_ms=x', '?deadline_ms=60001', '?deadline_ms='])
        assert.equal((await get(api, id, { query })).statusCode, 400, query)
    }))

  it('is answered by the deadline although the body of a batch does not come', () =>
    withApi({}, async (api) => {
      const { hostname, port } = new URL(await api.app.listen({ host: '127.0.0.1', port: 0 }))
      const socket = connect(Number(port), hostname)
      let answer = ''
      socket.on('data', (chunk: Buffer) => {
        answer += chunk.toString('utf8')
      })
      const ended = new Promise((resolve) => socket.once('close', resolve))
      socket.write(
        'POST /v1/users/openrtb?deadline_ms=50 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user',
      )
      await Promise.race([ended, sleep(5_000)])
      assert.match(answer, /^HTTP\/1\.1 200 /)
      assert.match(answer, /\{"users":\[\]\}/)
      socket.destroy()
    }))

  it('has a tag that stands as long as the answer does: If-None-Match is then 304', () =>
    withApi({}, async (api) => {
      const [id] = usersOf(api).inferred as [string]
      const first = await get(api, id)
      const tag = String(first.headers.etag)
      const { version, prototype_set_version, calibration_epoch } = api.ports.lookUp(id)!
      assert.match(
        tag,
        new RegExp(`^"${version}-${prototype_set_version}-${calibration_epoch}-[0-9a-f]{16}"$`),
      )
      for (const given of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
        const again = await get(api, id, { headers: { 'if-none-match': given } })
        assert.deepEqual([again.statusCode, again.body, again.headers.etag], [304, '', tag], given)
      }
      assert.equal((await get(api, id, { headers: { 'if-none-match': '"x"' } })).statusCode, 200)
      const before = api.ports.lookUp
      api.ports.lookUp = (userId) => {
        const answer = before(userId)!
        return { ...answer, personas: answer.personas.map((held) => ({ ...held, probability: 0.123 })) }
      }
      const moved = await get(api, id, { headers: { 'if-none-match': tag } })
      assert.equal(moved.statusCode, 200, 'a probability that moved is another answer')
      assert.notEqual(moved.headers.etag, tag)
    }))

  it('says when ingest is behind or down, and for how long', () =>
    withApi({}, async (api) => {
      const [id] = usersOf(api).inferred as [string]
      const headersOf = async () => {
        const { headers } = await get(api, id)
        return [headers['x-kindred-stale'], headers.age]
      }
      assert.deepEqual(await headersOf(), [undefined, undefined])
      api.ports.behindMs = () => 12_400
      assert.deepEqual(await headersOf(), ['behind', '12'])
      api.ports.ingestProblem = () => 'ingest has ended'
      assert.deepEqual(await headersOf(), ['down', '12'])
      const { headers } = await api.app.inject(`/v1/users/${encodeURIComponent(id)}/personas`)
      assert.equal(headers['x-kindred-stale'], 'down')
    }))
})
