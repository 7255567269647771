// Numbers at the edges of what the document takes, as fuzzing came upon them: answered, and never 5xx or another number.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withApi } from '../support/api.ts'

const most = String(Number.MAX_SAFE_INTEGER)

describe('the greatest number that a parameter takes', () => {
  for (const [method, url, status] of [
    ['GET', `/v1/changes?after=${most}`, 410],
    ['GET', `/v1/changes/stream?after=${most}`, 410],
    ['GET', `/v1/quarantine?from=${most}`, 200],
    ['GET', `/v1/quarantine?from=${2 ** 32}`, 200],
    ['POST', `/v1/quarantine/${most}/replay`, 404],
    ['POST', `/v1/quarantine/${2 ** 32}/replay`, 404],
    ['GET', `/v1/changes?after=${'9'.repeat(16)}`, 400],
    ['GET', `/v1/changes?after=${BigInt(most) + 1n}`, 400],
    ['GET', '/v1/changes?after=1e3', 400],
    ['GET', '/v1/changes?after=-0', 400],
  ] as const)
    it(`${method} ${url} is ${status}`, () =>
      withApi({}, async ({ app }) => {
        const reply = await app.inject({ method, url })
        assert.equal(reply.statusCode, status, reply.body)
      }))

  it('as Last-Event-ID is a cursor that is gone', () =>
    withApi({}, async ({ app }) => {
      const headers = { 'last-event-id': most }
      assert.equal((await app.inject({ url: '/v1/changes/stream', headers })).statusCode, 410)
    }))

  it('of a user behind their changes is an empty page that stays there', () =>
    withApi({}, async ({ app, rig }) => {
      const user = rig.store.user([...rig.store.users()][0]!)!.userId
      const reply = await app.inject(`/v1/users/${encodeURIComponent(user)}/changes?after=${most}`)
      assert.deepEqual(reply.json(), { changes: [], cursor: Number(most), more: false })
    }))
})
