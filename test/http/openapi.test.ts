// The OpenAPI document: valid by the specification's own schema, the committed file, and true of the routes there are.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { eventOf } from '../../src/codec/event.ts'
import { openApiDocument } from '../../src/http/openapi.ts'
import { allOperations } from '../../src/http/operations.ts'
import { shopEvent } from '../../src/http/schemas.ts'
import { withApi } from '../support/api.ts'
import { badRecords, oddIds } from '../support/bad-records.ts'
import { eventOf as shopEventOf } from '../support/events.ts'

const document = openApiDocument()

describe('openapi.json', () => {
  it('is a document of OpenAPI 3.1', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)))
    assert.ok(valid, JSON.stringify(errors))
    assert.equal(validator.version, '3.1')
    const broken = { ...document, paths: { '/x': { get: { responses: 5 } } } }
    assert.ok(!(await new Validator().validate(broken)).valid, 'the validator can refuse')
  })

  it('is the committed file: run `npm run openapi` when it is not', () => {
    const file = readFileSync(new URL('../../../schemas/openapi.json', import.meta.url), 'utf8')
    assert.equal(file, `${JSON.stringify(document, undefined, 2)}\n`)
  })

  it('refers to nothing that is not there, and names no schema in vain', () => {
    const used = new Set<string>()
    JSON.parse(JSON.stringify(document), (key, value) => {
      if (key === '$ref') used.add(String(value))
      return value
    })
    const { schemas, headers } = document.components
    const there = Object.entries({ schemas, headers }).flatMap(([kind, all]) =>
      Object.keys(all).map((name) => `#/components/${kind}/${name}`),
    )
    assert.deepEqual([...used].sort(), there.sort())
  })

  it('says of every parameter and header what it is', () => {
    let parameters = 0
    for (const path of Object.values(document.paths))
      for (const operation of Object.values(path))
        for (const { name, description } of (operation.parameters ?? []) as {
          name: string
          description?: string
        }[]) {
          assert.ok(description, `${operation.operationId} ${name}`)
          parameters++
        }
    assert.ok(parameters > 40)
    for (const [name, { description }] of Object.entries(document.components.headers))
      assert.ok(description, name)
  })

  it('has every route that there is, and no other', async () => {
    const routes: string[] = []
    await withApi({ shop: { events: [], prototypes: [] } }, async ({ app }) => {
      await app.ready()
      for (const { method, path } of allOperations())
        assert.ok(app.hasRoute({ method, url: path }), `${method} ${path} is routed`)
      const tree = app.printRoutes({ commonPrefix: false, includeHooks: false })
      for (const [, methods = ''] of tree.matchAll(/\(([A-Z, ]+)\)/g))
        routes.push(...methods.split(', ').filter((method) => method !== 'HEAD'))
    })
    assert.equal(routes.length, allOperations().length)
  })

  it('is served, and as a page that fetches and runs nothing', () =>
    withApi({ shop: { events: [], prototypes: [] } }, async ({ app }) => {
      const served = await app.inject('/openapi.json')
      assert.deepEqual(served.json(), JSON.parse(JSON.stringify(document)))
      const page = await app.inject('/docs')
      assert.equal(page.statusCode, 200)
      assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
      assert.doesNotMatch(page.body, /<script|src=|https?:\/\//)
      for (const { path, id, summary } of allOperations()) {
        assert.ok(page.body.includes(path.replaceAll(/:(\w+)/g, '{$1}')), path)
        assert.ok(page.body.includes(`id="${id}"`) && page.body.includes(summary.split("'")[0]!), id)
      }
      for (const [, target] of page.body.matchAll(/href="#([^"]+)"/g))
        assert.ok(page.body.includes(`id="${target}"`), `#${target} is on the page`)
    }))
})

describe('the schema of an event', () => {
  it('takes what the codec of events takes, and refuses what that refuses', () => {
    const taken = (value: unknown) => {
      try {
        eventOf(value)
        return true
      } catch {
        return false
      }
    }
    const values: unknown[] = badRecords.flatMap(({ bytes }) => {
      try {
        return [JSON.parse(String(bytes))]
      } catch {
        return []
      }
    })
    for (const id of oddIds) values.push(shopEventOf({ user_id: id }))
    for (const ts of [
      ...['2025-01-01', '2025-01-01T00:00:00+02:00', '2024-02-29T23:59:59.123456789Z', 0, 1e12],
      ...['2025-01-01T24:00:00Z', '2025-01-01T25:00:00Z', '2023-02-29', '2025-01-01T00:00'],
      ...['1969-12-31', '2100-01-01', '2099-12-31T23:59:59-05:00', '2099-12-31T23:59:59Z'],
    ])
      values.push(shopEventOf({ ts }))
    for (const rest of [
      { quantity: null, price: null, title: null, category: '' },
      { quantity: 1e9 },
      { x: 1 },
    ])
      values.push(shopEventOf(rest))
    const withoutSeconds = shopEventOf({ ts: '2025-01-01T00:00Z' })
    assert.ok(taken(withoutSeconds) && !shopEvent.safeParse(withoutSeconds).success, 'more than is promised')
    let refused = 0
    for (const value of values) {
      const { success } = shopEvent.safeParse(value)
      const shown = JSON.stringify(value)?.slice(0, 300)
      assert.equal(success, taken(value), shown)
      refused += success ? 0 : 1
    }
    assert.ok(refused > 60 && values.length - refused > 30, `${refused} of ${values.length} refused`)
  })
})
