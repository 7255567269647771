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

  it('of personas do, too', () => {
    const prototypes = personaNames.map((name, i) => JSON.stringify({ user_id: `k${i}`, personas: [name] }))
    return withApi({ shop: { events: [], prototypes } }, async ({ app }) => {
      await using client = await rawClient(app)
      for (const [i, name] of personaNames.entries()) {
        const { status, body } = await client.send('GET', `/v1/personas/${encodeURIComponent(name)}/users`)
        assert.equal(status, 200, body)
        const { persona, users } = JSON.parse(body)
        assert.deepEqual([persona, users[0].user_id], [name, `k${i}`])
      }
    })
  })
})
