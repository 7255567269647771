// Ids are opaque: any of them comes back as it went in, on every route that takes one.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { idProblem } from '../../src/core/ids.ts'
import { personaNames } from '../oracle/odd-ids.ts'
import { type Api, withApi } from '../support/api.ts'
import { oddIds } from '../support/bad-records.ts'
import { eventOf } from '../support/events.ts'
import { type RawClient, rawClient } from '../support/raw-http.ts'

const troublesome = [
  '.',
  '..',
  '/',
  '//',
  'a/../b',
  '%',
  '%2F',
  '%2e%2e',
  '%zz',
  '?a=b#c',
  ';x',
  '+',
  ':id',
  '*',
]
const ids = fc
  .oneof(
    fc.constantFrom(...oddIds, ...troublesome, 'personas', 'openrtb', 'stream'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom('.', '/', '%', '2', 'e', '👶', '\u0000', ' '),
      minLength: 1,
      maxLength: 6,
    }),
  )
  .filter((id) => idProblem(id) === undefined)

const nobody = { events: [], prototypes: [] }

async function roundTrips({
  send,
  apply,
  id,
  n,
}: RawClient & Api & { id: string; n: number }): Promise<void> {
  const at = encodeURIComponent(id)
  const shown = JSON.stringify(id)
  const event = eventOf({ event_id: `e${n}`, user_id: id, product_id: id })
  apply([{ text: JSON.stringify(event), format: { kind: 'json' } }])
  const answered = async (method: string, path: string, body?: string) => {
    const reply = await send(method, path, body)
    assert.equal(reply.status, 200, `${method} ${path} of ${shown}: ${reply.body}`)
    return JSON.parse(reply.body)
  }
  for (const route of ['personas', 'explanation', 'openrtb'])
    assert.equal((await answered('GET', `/v1/users/${at}/${route}`)).user_id, id, `${route} of ${shown}`)
  const graph = await answered('GET', `/v1/users/${at}/explanation?format=graph`)
  assert.equal(graph.nodes[0].attributes.id, id)
  assert.deepEqual((await answered('GET', `/v1/users/${at}/changes`)).changes, [])
  assert.equal((await answered('GET', `/v1/products/${at}`)).product_id, id, shown)
  const batch = JSON.stringify({ user_ids: [id] })
  for (const route of ['personas', 'openrtb'])
    assert.equal((await answered('POST', `/v1/users/${route}`, batch)).users[0].user_id, id, shown)
  assert.deepEqual(
    (({ user_id, erased, known }) => ({ user_id, erased, known }))(
      await answered('DELETE', `/v1/users/${at}`),
    ),
    {
      user_id: id,
      erased: true,
      known: true,
    },
  )
  for (const route of ['personas', 'explanation', 'openrtb', 'changes']) {
    const { status, body } = await send('GET', `/v1/users/${at}/${route}`)
    assert.deepEqual([status, JSON.parse(body).user_id], [404, id], `${route} of ${shown} once erased`)
  }
}

describe('ids', () => {
  it('come back as they went in, whatever they hold, until they are erased', () =>
    withApi({ shop: nobody }, async (api) => {
      await using client = await rawClient(api.app)
      let n = 0
      const trip = (id: string) => roundTrips({ ...client, ...api, id, n: n++ })
      for (const id of troublesome) await trip(id)
      await fc.assert(fc.asyncProperty(ids, trip), { numRuns: 150, seed: 20250301 })
    }))

  it('go in the query from clients that take them for steps of a path, by every verb', () =>
    withApi({ shop: nobody }, async ({ app, apply }) => {
      const url = await app.listen({ host: '127.0.0.1', port: 0 })
      let n = 0
      for (const id of ['.', '..', ...troublesome, ...oddIds, 'x'.repeat(256), '\u0000']) {
        const event = eventOf({ event_id: `q${n++}`, user_id: id, product_id: id })
        apply([{ text: JSON.stringify(event), format: { kind: 'json' } }])
        const ask = async (method: string, path: string) => {
          const reply = await fetch(`${url}${path}?${new URLSearchParams({ id })}`, { method })
          return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
        }
        const shown = JSON.stringify(id)
        for (const route of ['personas', 'explanation', 'openrtb']) {
          const { status, body } = await ask('GET', `/v1/users/${route}`)
          assert.deepEqual([status, body.user_id], [200, id], `${route} of ${shown}`)
        }
        assert.equal((await ask('GET', '/v1/users/changes')).status, 200, shown)
        assert.equal((await ask('GET', '/v1/products')).body.product_id, id, shown)
        const { status, body } = await ask('DELETE', '/v1/users')
        assert.deepEqual([status, body.user_id, body.known], [200, id, true], shown)
        assert.equal((await ask('GET', '/v1/users/personas')).status, 404, shown)
      }
    }))

  it('that are none are 400 by each form, and touch nobody: too long, empty, no UTF-8, twice, not there', () =>
    withApi({ shop: nobody }, async ({ app, ports }) => {
      await using client = await rawClient(app)
      ports.lookUp = () => assert.fail('looked up')
      ports.erase = () => assert.fail('erased')
      const long = 'x'.repeat(257)
      for (const [value, says] of [
        [long, /257 bytes/],
        [encodeURIComponent('家'.repeat(86)), /258 bytes/],
        ['%ff', /UTF-8|not a valid url/],
        ['%ed%a0%80', /UTF-8|not a valid url/],
        ['%c0%af', /UTF-8|not a valid url/],
        ['%', /UTF-8|not a valid url/],
      ] as const)
        for (const [method, path] of [
          ['GET', `/v1/users/${value}/personas`],
          ['DELETE', `/v1/users/${value}`],
          ['GET', `/v1/products/${value}`],
          ['GET', `/v1/users/personas?id=${value}`],
          ['DELETE', `/v1/users?id=${value}`],
          ['GET', `/v1/users/openrtb?id=${value}&deadline_ms=5`],
          ['GET', `/v1/products?id=${value}`],
        ] as const) {
          const { status, body, headers } = await client.send(method, path)
          assert.equal(status, 400, `${method} ${path}: ${body}`)
          assert.match(headers['content-type'] ?? '', /problem\+json/)
          assert.match(JSON.parse(body).detail, says, `${method} ${path}`)
        }
      for (const query of ['', '?', '?id', '?id=', '?id=a&id=b', '?user_id=a'])
        for (const [method, path] of [
          ['GET', '/v1/users/personas'],
          ['DELETE', '/v1/users'],
        ] as const)
          assert.equal((await client.send(method, path + query)).status, 400, `${method} ${path}${query}`)
      for (const user_ids of [[long], [''], ['\ud800'], [5], [null], 'a'])
        assert.equal(
          (await client.send('POST', '/v1/users/personas', JSON.stringify({ user_ids }))).status,
          400,
        )
    }))

  it('of personas do, too', () => {
    const prototypes = personaNames.map((name, i) => JSON.stringify({ user_id: `k${i}`, personas: [name] }))
    return withApi({ shop: { events: [], prototypes } }, async ({ app }) => {
      await using client = await rawClient(app)
      for (const [i, name] of personaNames.entries()) {
        const { status, body } = await client.send('GET', `/v1/personas/${encodeURIComponent(name)}/users`)
        assert.equal(status, 200, body)
        const query = await client.send('GET', `/v1/personas/users?${new URLSearchParams({ name })}`)
        for (const { persona, users } of [body, query.body].map((text) => JSON.parse(text)))
          assert.deepEqual([persona, users[0].user_id], [name, `k${i}`])
      }
    })
  })
})
