// Every route over a real engine: what it answers, that the document describes it, and what it says when it cannot.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { configFrom } from '../../src/config.ts'
import { LockedError, TransientError } from '../../src/errors.ts'
import { explain } from '../../src/lookup/explain.ts'
import { snapshotOf } from '../../src/lookup/snapshot.ts'
import { createReads } from '../../src/serve-reads.ts'
import { type Api, usersOf, withApi } from '../support/api.ts'
import { assertAnswer } from '../support/openapi.ts'

type Path = { readonly method?: 'GET' | 'POST' | 'DELETE'; readonly path: string; readonly query?: string }

/** Asks, and checks the answer against the document. `path` has `{id}` for `id`. */
async function ask(
  { app }: Pick<Api, 'app'>,
  { method = 'GET', path, query = '' }: Path,
  { id, body, headers }: { id?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<LightMyRequestResponse> {
  const url = path.replace(/\{\w+\}/, encodeURIComponent(id ?? '')) + query
  const reply = await app.inject({
    method,
    url,
    ...(body === undefined ? {} : { payload: body as object }),
    ...(headers === undefined ? {} : { headers }),
  } as InjectOptions)
  assertAnswer({ method, path }, reply)
  return reply
}

function problemOf(
  reply: LightMyRequestResponse,
  status: number,
): { detail: string; [name: string]: unknown } {
  assert.equal(reply.statusCode, status, reply.body)
  assert.match(String(reply.headers['content-type']), /^application\/problem\+json/)
  const problem = reply.json()
  assert.ok(problem.detail.length > 10 && problem.title !== '')
  return problem
}

const changesOf = ({ rig }: Api) =>
  rig.store.changes(0, 1_000_000).map(({ json }) => JSON.parse(json) as ChangeEvent)

describe('POST /v1/users/personas', () => {
  const route = { method: 'POST', path: '/v1/users/personas' } as const

  it('has an entry an id, in their order, and says who was never seen', () =>
    withApi({}, async (api) => {
      const { inferred, prototype, unknown } = usersOf(api)
      const user_ids = [inferred[0]!, 'nobody', prototype[0]!, inferred[0]!, unknown[0] ?? inferred[1]!]
      const { users } = (await ask(api, route, { body: { user_ids } })).json()
      assert.deepEqual(
        users.map(({ user_id }: { user_id: string }) => user_id),
        user_ids,
      )
      assert.deepEqual(users[1], { found: false, user_id: 'nobody' })
      for (const i of [0, 2, 3, 4]) {
        const single = (await ask(api, { path: '/v1/users/{id}/personas' }, { id: user_ids[i]! })).json()
        assert.deepEqual(users[i], { found: true, ...single })
      }
      const many = Array.from({ length: 1000 }, (_, i) => inferred[i % inferred.length]!)
      assert.equal((await ask(api, route, { body: { user_ids: many } })).json().users.length, 1000)
    }))

  it('of what cannot be a batch is refused, naming the place', () =>
    withApi({}, async (api) => {
      for (const [body, says] of [
        [{ user_ids: [] }, /user_ids/],
        [{ user_ids: Array(1001).fill('a') }, /user_ids.*1000/],
        [{ user_ids: ['a', ''] }, /user_ids\.1.*empty/],
        [{ user_ids: ['a', 'x'.repeat(257)] }, /user_ids\.1.*257 bytes/],
        [{ user_ids: ['a', 5] }, /user_ids\.1/],
        [{ users: ['a'] }, /user_ids/],
        [['a'], /body/],
      ] as const)
        assert.match(problemOf(await ask(api, route, { body }), 400).detail, says)
      const headers = { 'content-type': 'application/json' }
      problemOf(await ask(api, route, { body: '{"user_ids":["\\ud83d"]}', headers }), 400)
      problemOf(await ask(api, route, { body: '{', headers }), 400)
      problemOf(await ask(api, route, {}), 400)
      problemOf(await ask(api, route, { body: 'a,b', headers: { 'content-type': 'text/plain' } }), 415)
      const large = { user_ids: ['x'.repeat(3_000_000)] }
      problemOf(await ask(api, route, { body: large }), 413)
    }))
})

describe('GET /v1/users/:id/explanation', () => {
  const path = '/v1/users/{id}/explanation'

  it('names nobody whose erasure is on its way, neither among the labelled users nor in paths', () =>
    withApi({}, async (api) => {
      const config = configFrom({})
      const reads = (hidden: (userId: string) => boolean) =>
        createReads(api.rig.store, { config, hidden, now: () => 0 })
      const explained = await Promise.all(usersOf(api).inferred.map((id) => reads(() => false).explain(id)))
      const whole = explained.find((one) => one !== undefined && one.prototypes.length > 1)!
      const gone = whole.paths[0]!.prototype
      const rest = (await reads((userId) => userId === gone).explain(whole.user_id))!
      assert.ok(rest.prototypes.length === whole.prototypes.length - 1)
      assert.ok(rest.paths.length > 0 && rest.paths.length < whole.paths.length)
      assert.ok(!JSON.stringify([rest.prototypes, rest.paths]).includes(JSON.stringify(gone)))
    }))

  it('is what `explain` says, as JSON, as a graph and as GEXF', () =>
    withApi({}, async (api) => {
      const { inferred, prototype, unknown } = usersOf(api)
      for (const id of [...inferred.slice(0, 20), prototype[0]!, ...unknown.slice(0, 1)]) {
        const expected = explain(snapshotOf(api.rig.store, configFrom({}, { walksMax: 0 })), { userId: id })!
        assert.deepEqual((await ask(api, { path }, { id })).json(), JSON.parse(JSON.stringify(expected)))
        const graph = (await ask(api, { path, query: '?format=graph' }, { id })).json()
        assert.deepEqual(nodesOf(graph, 'user'), [id])
        assert.deepEqual(
          nodesOf(graph, 'product'),
          expected.products.map(({ product_id }) => product_id),
        )
        assert.deepEqual(
          nodesOf(graph, 'prototype'),
          expected.prototypes.map(({ user_id }) => user_id),
        )
        checkWeights(api, graph)
        const gexf = await ask(api, { path, query: '?format=gexf' }, { id })
        assert.match(gexf.body, /^<\?xml.*<gexf /s)
        assert.equal(gexf.body.match(/<node /g)?.length, graph.nodes.length)
        assert.equal(gexf.body.match(/<edge /g)?.length ?? 0, graph.edges.length)
      }
    }))

  it('has XML that is XML, whatever the ids hold', () =>
    withApi(
      {
        events: [
          { event_id: 'x', user_id: '\u0000<&"\uffff', product_id: ']]>\u0001', type: 'purchase', ts: 0 },
        ],
      },
      async (api) => {
        const { body } = await ask(api, { path, query: '?format=gexf' }, { id: '\u0000<&"\uffff' })
        // biome-ignore lint/suspicious/noControlCharactersInRegex: those are the characters that XML has not
        assert.doesNotMatch(body, /[\u0000-\u0008\uffff]|<&/)
      },
    ))

  it('of nobody is 404, and in no such format 400', () =>
    withApi({}, async (api) => {
      problemOf(await ask(api, { path }, { id: 'nobody' }), 404)
      problemOf(await ask(api, { path }, { id: 'x'.repeat(257) }), 400)
      const problem = problemOf(await ask(api, { path, query: '?format=dot' }, { id: 'nobody' }), 400)
      assert.match(problem.detail, /format.*gexf/)
    }))
})

type Graph = {
  readonly nodes: readonly { key: string; attributes: { kind: string; id: string } }[]
  readonly edges: readonly { source: string; target: string; attributes: { weight: number } }[]
}
function nodesOf({ nodes }: Graph, kind: string): string[] {
  return nodes.filter(({ attributes }) => attributes.kind === kind).map(({ attributes }) => attributes.id)
}
/** Every edge of the graph is a live edge of the store, with its weight. */
function checkWeights({ rig }: Api, { nodes, edges }: Graph): void {
  const idOf = new Map(nodes.map(({ key, attributes }) => [key, attributes.id]))
  for (const { source, target, attributes } of edges) {
    const user = rig.store.userIndexOf(idOf.get(source)!)!
    const product = rig.store.productIndexOf(idOf.get(target)!)!
    const edge = rig.store.edge(user, product)!
    assert.ok(edge.net > 0 ? attributes.weight === 1 : attributes.weight > 0 && attributes.weight < 1)
  }
}

describe('changes', () => {
  it('of a user are theirs alone, newest last, in pages', () =>
    withApi({}, async (api) => {
      const all = changesOf(api)
      const counts = new Map<string, ChangeEvent[]>()
      for (const change of all) counts.set(change.user_id, [...(counts.get(change.user_id) ?? []), change])
      const [id, theirs] = [...counts].sort((a, b) => b[1].length - a[1].length)[0]!
      assert.ok(theirs.length >= 4)
      const path = '/v1/users/{id}/changes'
      const whole = (await ask(api, { path }, { id })).json()
      assert.deepEqual([whole.changes, whole.more, whole.cursor], [theirs, false, all.length])
      const found: ChangeEvent[] = []
      for (let after = 0, more = true; more; ) {
        const page = (await ask(api, { path, query: `?limit=2&after=${after}` }, { id })).json()
        found.push(...page.changes)
        assert.ok(page.changes.length <= 2)
        ;({ cursor: after, more } = page)
      }
      assert.deepEqual(found, theirs)
      const after = (await ask(api, { path, query: `?after=${whole.cursor}` }, { id })).json()
      assert.deepEqual(after, { changes: [], cursor: whole.cursor, more: false })
      problemOf(await ask(api, { path }, { id: 'nobody' }), 404)
      problemOf(await ask(api, { path, query: '?limit=0' }, { id }), 400)
      problemOf(await ask(api, { path, query: '?after=-1' }, { id }), 400)
    }))

  it('of all come by cursor, each once, also while some are erased', () =>
    withApi({}, async (api) => {
      const all = changesOf(api)
      const path = '/v1/changes'
      const found: ChangeEvent[] = []
      for (let after = 0, more = true; more; ) {
        const page = (await ask(api, { path, query: `?limit=7&after=${after}` })).json()
        found.push(...page.changes)
        ;({ cursor: after, more } = page)
      }
      assert.deepEqual(found, all)
      const [{ user_id: id }] = all as [ChangeEvent]
      await ask(api, { method: 'DELETE', path: '/v1/users/{id}' }, { id })
      const left = (await ask(api, { path, query: '?limit=1000' })).json()
      assert.deepEqual(left.changes.slice(0, 20), all.filter(({ user_id }) => user_id !== id).slice(0, 20))
      assert.ok(left.cursor >= all.length)
    }))

  it('that are not kept any more are 410, with the cursors that work', () =>
    withApi({}, async (api) => {
      const path = '/v1/changes'
      const end = api.rig.store.counters().changes
      api.rig.store.transact((tx) => tx.trimChanges(10))
      for (const after of [0, 9, end + 1]) {
        const problem = problemOf(await ask(api, { path, query: `?after=${after}` }), 410)
        assert.deepEqual([problem.oldest, problem.newest], [10, end])
      }
      const oldest = (await ask(api, { path, query: '?limit=1' })).json()
      assert.equal(oldest.cursor, 11, 'without a cursor: from the oldest')
      for (const query of ['?after=10', `?after=${end}`])
        assert.equal((await ask(api, { path, query })).statusCode, 200)
      problemOf(await ask(api, { path: '/v1/changes/stream', query: '?after=3' }), 410)
      const headers = { 'last-event-id': '3' }
      problemOf(await ask(api, { path: '/v1/changes/stream' }, { headers }), 410)
      for (const query of ['?limit=1001', '?limit=x', '?after=1e3', '?after=', '?after=1&after=2'])
        problemOf(await ask(api, { path, query }), 400)
    }))
})

describe('personas and products', () => {
  it('are the set with its sizes and base rates, counted once in a while', () =>
    withApi({}, async (api) => {
      const { personas, users, prototype_set_version } = (await ask(api, { path: '/v1/personas' })).json()
      const by = usersOf(api)
      assert.deepEqual(
        [users.unknown, users.inferred, users.prototype],
        [by.unknown.length, by.inferred.length, by.prototype.length],
      )
      assert.equal(prototype_set_version, 1)
      const rates = personas.map(({ base_rate }: { base_rate: number }) => base_rate)
      assert.ok(Math.abs(rates.reduce((a: number, b: number) => a + b, 0) - 1) < 1e-9)
      const holders = await holdersByLookup(api)
      for (const { name, users: size } of personas) assert.equal(size, holders.get(name)?.size ?? 0, name)
      api.apply([
        {
          text: JSON.stringify({ event_id: 'n', user_id: 'new', product_id: 'p', type: 'view', ts: 0 }),
          format: { kind: 'json' },
        },
      ])
      assert.deepEqual((await ask(api, { path: '/v1/personas' })).json().users, users, 'the count stands')
    }))

  it('are held by users, most probable first, in pages that give each once', () =>
    withApi({}, async (api) => {
      const path = '/v1/personas/{name}/users'
      const holders = await holdersByLookup(api)
      for (const [id, expected] of holders) {
        const found: { user_id: string; probability: number }[] = []
        for (let next: string | null = ''; next !== null; ) {
          const query: string = `?limit=9${next === '' ? '' : `&after=${next}`}`
          const page = (await ask(api, { path, query }, { id })).json()
          assert.equal(page.total, expected.size)
          found.push(...page.users)
          next = page.next
        }
        const probabilities = found.map(({ probability }) => probability)
        assert.deepEqual(
          probabilities,
          probabilities.toSorted((a, b) => b - a),
        )
        assert.deepEqual(new Map(found.map(({ user_id, probability }) => [user_id, probability])), expected)
        assert.equal(found.length, expected.size)
      }
    }))

  it('are not shown with users that were erased since the count', () =>
    withApi({}, async (api) => {
      const path = '/v1/personas/{name}/users'
      const [[name, expected]] = [...(await holdersByLookup(api))] as [[string, Map<string, number>]]
      await ask(api, { path }, { id: name })
      const id = [...expected.keys()][0]!
      await ask(api, { method: 'DELETE', path: '/v1/users/{id}' }, { id })
      const { users } = (await ask(api, { path, query: '?limit=1000' }, { id: name })).json()
      assert.ok(!users.some(({ user_id }: { user_id: string }) => user_id === id))
    }))

  it('that do not exist are 404, bad cursors 400, and what cannot be counted now is 503', () =>
    withApi({}, async (api) => {
      const path = '/v1/personas/{name}/users'
      const problem = problemOf(await ask(api, { path }, { id: 'no such' }), 404)
      assert.equal(problem.persona, 'no such')
      const { personas } = (await ask(api, { path: '/v1/personas' })).json()
      for (const after of ['x', 'AAAA', '////////////////', Buffer.alloc(12, 255).toString('base64url')])
        problemOf(
          await ask(api, { path, query: `?after=${encodeURIComponent(after)}` }, { id: personas[0].name }),
          400,
        )
      problemOf(await ask(api, { path: '/v1/products/{id}' }, { id: 'none' }), 404)
      api.ports.personaSet = () => Promise.reject(new TransientError('users are being counted'))
      const reply = await ask(api, { path: '/v1/personas' })
      assert.match(problemOf(reply, 503).detail, /being counted/)
      assert.ok(Number(reply.headers['retry-after']) > 0)
    }))

  it('of a product: title, buyers, labelled mass, published shares that sum to rho', () =>
    withApi({}, async (api) => {
      let labelled = 0
      for (const index of api.rig.store.products()) {
        const { productId: id, title } = api.rig.store.product(index)!
        const product = (await ask(api, { path: '/v1/products/{id}' }, { id })).json()
        assert.deepEqual([product.product_id, product.title], [id, title ?? null])
        assert.equal(product.buyers, api.rig.store.productDegree(index))
        const sum = Object.values(product.published as Record<string, number>).reduce((a, b) => a + b, 0)
        assert.ok(Math.abs(sum - product.rho) <= 0.03 * product.rho + 1e-9, `${id}: ${sum}, ${product.rho}`)
        if (product.labelled_mass > 0) labelled++
      }
      assert.ok(labelled > 10)
    }))
})

/** Who holds each persona by the lookups of all users, with the probability. */
async function holdersByLookup(api: Api): Promise<Map<string, Map<string, number>>> {
  const holders = new Map<string, Map<string, number>>()
  for (const user_id of Object.values(usersOf(api)).flat())
    for (const { persona, probability } of api.ports.lookUp(user_id)!.personas)
      holders.set(persona, (holders.get(persona) ?? new Map()).set(user_id, probability))
  assert.ok(holders.size >= 3)
  return holders
}

describe('control', () => {
  it('DELETE /v1/users/:id erases, with a receipt, also who was never seen', () =>
    withApi({}, async (api) => {
      const route = { method: 'DELETE', path: '/v1/users/{id}' } as const
      const [id] = usersOf(api).inferred as [string]
      const reply = await ask(api, route, { id })
      assert.equal(reply.statusCode, 200)
      const { user_id, erased, known, received_at } = reply.json()
      assert.deepEqual([user_id, erased, known], [id, true, true])
      assert.equal(received_at, '2026-01-01T00:00:00.000Z')
      problemOf(await ask(api, { path: '/v1/users/{id}/personas' }, { id }), 404)
      assert.equal((await ask(api, route, { id })).json().known, false)
      const headers = { 'content-type': 'application/json' }
      assert.equal((await ask(api, route, { id, headers })).statusCode, 200, 'typed, and without a body')
      problemOf(await ask(api, route, { id: 'x'.repeat(300) }), 400)
    }))

  it('an erasure that is not applied in time is 202, and nobody is told of the user from then on', () =>
    withApi({}, async (api) => {
      const [id] = usersOf(api).inferred as [string]
      const receipt = {
        user_id: id,
        erased: false,
        known: true,
        position: 7,
        received_at: '2026-01-01T00:00:00.000Z',
      }
      api.ports.erase = async () => receipt
      const reply = await ask(api, { method: 'DELETE', path: '/v1/users/{id}' }, { id })
      assert.deepEqual([reply.statusCode, reply.json()], [202, receipt])
    }))

  it('what cannot be done now is 503 with Retry-After', () =>
    withApi({}, async (api) => {
      for (const error of [new TransientError('the disk is full'), new LockedError('in use by another')]) {
        api.ports.erase = () => Promise.reject(error)
        const reply = await ask(api, { method: 'DELETE', path: '/v1/users/{id}' }, { id: 'a' })
        assert.match(problemOf(reply, 503).detail, /the disk is full|in use by/)
        assert.ok(Number(reply.headers['retry-after']) > 0)
      }
    }))

  it('quarantine is listed in pages, and a record is tried again', () =>
    withApi({ broken: ['{"half', '"two"', `{"user_id":"${'x'.repeat(3000)}"}`] }, async (api) => {
      const path = '/v1/quarantine'
      const { records, next } = (await ask(api, { path })).json()
      assert.deepEqual([records.length, next], [3, null])
      assert.deepEqual([records[0].text, records[0].size], ['{"half', 6])
      assert.match(records[0].cause, /not JSON/)
      assert.ok(records[2].text.length === 2000 && records[2].size > 3000)
      const first = (await ask(api, { path, query: '?limit=2' })).json()
      assert.deepEqual(first.records, records.slice(0, 2))
      const rest = (await ask(api, { path, query: `?limit=2&from=${first.next}` })).json()
      assert.deepEqual([rest.records, rest.next], [records.slice(2), null])
      const replay = { method: 'POST', path: '/v1/quarantine/{id}/replay' } as const
      const tried = (await ask(api, replay, { id: String(records[0].id) })).json()
      assert.deepEqual([tried.tried, tried.released], [true, false])
      assert.match(tried.cause, /not JSON/)
      problemOf(await ask(api, replay, { id: '999' }), 404)
      for (const id of ['x', '-1', '1.5', '']) problemOf(await ask(api, replay, { id }), 400)
      problemOf(await ask(api, { path, query: '?limit=101' }), 400)
      api.ports.requeue = async (id) => ({ id, tried: false, released: null, cause: null, position: 3 })
      assert.equal((await ask(api, replay, { id: '0' })).statusCode, 202)
    }))
})
