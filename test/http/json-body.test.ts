// Bodies that would hold up whatever else is asked are refused before they are parsed, and nothing that is right is.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  eventValuesMax,
  eventValuesMean,
  type JsonShape,
  nestingMax,
  shapeOf,
  valuesMax,
} from '../../src/http/json-body.ts'
import { batchIdsMax, eventsMax } from '../../src/http/schemas.ts'
import { withApi } from '../support/api.ts'

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
const event = (more: Record<string, unknown> = {}) => ({
  event_id: 'e',
  user_id: 'u',
  product_id: 'p',
  type: 'purchase',
  ts: '2025-01-01',
  ...more,
})

describe('the shape of JSON', () => {
  it('is what the parsed value has', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(0, 1), (value, space) => {
        assert.deepEqual(shapeOf(Buffer.from(JSON.stringify(value, null, space))), expected(value))
      }),
    )
  })

  it('of lines is that of the deepest line, whatever does not end in others', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.json(), fc.constantFrom('[[[', '"[[', '{"a":"\\', ''))), (lines) => {
        const depths = lines.map((line) => shapeOf(Buffer.from(line)).depth)
        assert.equal(shapeOf(Buffer.from(lines.join('\n')), { lines: true }).depth, Math.max(0, ...depths))
      }),
    )
  })

  it('is looked for no deeper than it is taken', () => {
    assert.equal(shapeOf(Buffer.from(nested(1_000_000))).depth, nestingMax + 1)
  })
})

describe('a body', () => {
  it('that is nested too deep is refused before it is parsed, of every route and form', () =>
    withApi({}, async ({ app }) => {
      const post = async (url: string, type: string, payload: string) => {
        const reply = await app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })
        return { status: reply.statusCode, detail: String(reply.json<{ detail?: string }>().detail) }
      }
      const json = 'application/json'
      const events = async (type: string, payload: string) => post('/v1/events', type, payload)
      const deepest = JSON.stringify(event({ more: 0 })).replace(
        '"more":0',
        `"more":${nested(nestingMax - 1)}`,
      )
      const deeper = deepest.replace('[[', '[[[').replace(']]', ']]]')
      assert.equal((await events(json, deepest)).status, 202)
      assert.equal((await events('application/x-ndjson', `${deepest}\n${deepest}\n`)).status, 202)
      for (const reply of [
        await events(json, deeper),
        await events(json, `[${deepest}]`),
        await events('application/x-ndjson', `${deepest}\n${deeper}\n`),
        await events(json, '['.repeat(1_000_000)),
        await post('/v1/users/personas', json, `{"user_ids":${nested(500_000)}}`),
        await post('/v1/users/openrtb', json, `{"user_ids":["a"],"x":${nested(nestingMax)}}`),
      ]) {
        assert.equal(reply.status, 400)
        assert.match(reply.detail, /nested more than 64 levels deep/)
      }
    }))

  it('of more values than any has is refused; of too many ids or events with the limit', () =>
    withApi({}, async ({ app }) => {
      const detail = async (url: string, type: string, payload: string) => {
        const reply = await app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })
        assert.equal(reply.statusCode, 400)
        return reply.json<{ detail: string }>().detail
      }
      const ids = (count: number) => JSON.stringify({ user_ids: Array(count).fill('a') })
      const json = 'application/json'
      assert.match(await detail('/v1/users/personas', json, ids(batchIdsMax + 1)), /user_ids/)
      assert.match(await detail('/v1/users/personas', json, ids(valuesMax + 1)), /more than 4096 values/)
      const many = Array(eventsMax + 1).fill('1')
      assert.match(await detail('/v1/events', json, `[${many}]`), /more than 100000 events/)
      assert.match(
        await detail('/v1/events', 'application/x-ndjson', many.join('\n')),
        /more than 100000 events/,
      )
      assert.match(
        await detail('/v1/events', 'application/x-ndjson', '\n'.repeat(2 * eventsMax + 1)),
        /more than 200000 lines/,
      )
    }))

  it('of no events or ids has room for the greatest filter, escaped, and not for much more', () =>
    withApi({ app: { bodyBytesMax: 16_000_000 } }, async ({ app }) => {
      const status = async (characters: number) => {
        const payload = `{"filter":{"personas":["${'\\u0041'.repeat(characters)}"]}}`
        const headers = { 'content-type': 'application/json' }
        return (await app.inject({ method: 'POST', url: '/v1/quarantine/7/replay', headers, payload }))
          .statusCode
      }
      assert.equal(await status(256 * 256), 404)
      assert.equal(await status(100_000), 413)
    }))

  it('of events with more values than any has is refused; with as many as events may have it is taken', () =>
    withApi({}, async ({ app }) => {
      const status = async (type: string, payload: string) => {
        const headers = { 'content-type': type }
        const { statusCode, body } = await app.inject({ method: 'POST', url: '/v1/events', headers, payload })
        return `${statusCode} ${/more than \d+ values/.exec(body)?.[0] ?? ''}`
      }
      const [json, ndjson] = ['application/json', 'application/x-ndjson'] as const
      const wide = (values: number) => JSON.stringify(event({ more: Array(values).fill(0) }))
      const most = wide(eventValuesMax - 7)
      const many = (count: number, values: number) => Array(count).fill(wide(values))
      for (const [type, payload] of [
        [json, most],
        [json, `[${most}]`],
        [json, `[${many(200, eventValuesMean - 6)}]`],
        [ndjson, `${most}\n${wide(0)}`],
        [ndjson, many(200, eventValuesMean - 6).join('\n')],
      ] as const)
        assert.equal(await status(type, payload), '202 ')
      for (const [type, payload, limit] of [
        [json, wide(eventValuesMax), eventValuesMax],
        [json, JSON.stringify(event({ more: Array(eventValuesMax).fill({}) })), eventValuesMax],
        [json, `[${wide(0)},${wide(eventValuesMax)}]`, eventValuesMax],
        [json, `[${many(200, 2 * eventValuesMean)}]`, eventValuesMean],
        [ndjson, `${wide(0)}\n${wide(eventValuesMax)}`, eventValuesMax],
        [ndjson, many(200, 2 * eventValuesMean).join('\n'), eventValuesMean],
      ] as const)
        assert.equal(await status(type, payload), `400 more than ${limit} values`)
    }))

  it('with a number that is none as JSON reads it is refused, not taken without it', () =>
    withApi({}, async ({ app }) => {
      const payload = JSON.stringify(event({ price: 1 })).replace('"price":1', '"price":1e999')
      for (const type of ['application/json', 'application/x-ndjson']) {
        const headers = { 'content-type': type }
        const reply = await app.inject({ method: 'POST', url: '/v1/events', headers, payload })
        assert.equal(reply.statusCode, 400, type)
        assert.match(reply.body, /price/)
      }
    }))
})

function expected(value: unknown): JsonShape {
  const { depth, values } = countedIn(value)
  if (!Array.isArray(value)) return { depth, values, widest: values, listed: 0 }
  const elements = value.map((element, i) => {
    const commaBehind = i < value.length - 1 ? 1 : 0
    return countedIn(element).values + commaBehind + (i === 0 ? 1 : 0)
  })
  return { depth, values, widest: Math.max(1, ...elements), listed: Math.max(0, value.length - 1) }
}

function countedIn(value: unknown): { depth: number; values: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, values: 0 }
  const inner = Object.values(value).map(countedIn)
  return {
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
    values: inner.reduce((sum, { values }) => sum + values, Math.max(1, inner.length)),
  }
}
