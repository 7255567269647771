// A real `serve` and a real receiver: subscriptions that outlive restarts, signed deliveries, kill -9 in the middle, erasure.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { rngFor } from '../../src/core/rng.ts'
import { json, lines, run, succeed, withDirectory } from '../support/command.ts'
import { type Server, serve } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { changeIn, inUserOrder, type Receiver, startReceiver, well } from '../support/webhook-receiver.ts'
import { call, changesIn, hookEnv, labelShop, purchasesOf, subscribe } from '../support/webhook-shop.ts'
import { verifySigned } from '../support/webhook-verifier.ts'

const kills = 3

type Place = { readonly data: string; readonly receiver: Receiver; start(): Promise<Server> }

async function withShop(work: (place: Place) => Promise<void>): Promise<void> {
  await withDirectory(async (dir) => {
    const data = join(dir, 'data')
    await using receiver = await startReceiver()
    const servers: Server[] = []
    await labelShop(dir, data)
    const start = async () => {
      const server = await serve(data, { env: hookEnv })
      servers.push(server)
      return server
    }
    try {
      await work({ data, receiver, start })
    } finally {
      await Promise.all(servers.map((server) => server.kill()))
    }
  })
}

async function settled(server: Server, id: string): Promise<Record<string, unknown>> {
  return until('nothing waits', async () => {
    const { backlog } = (await server.get('/readyz')).body
    const { body } = await server.get(`/v1/webhooks/${id}`)
    return backlog === 0 && body.queued === 0 && body
  })
}

const purchasedBy = (name: string, count: number) =>
  purchasesOf(Array.from({ length: count }, (_, n) => `${name}-${n}`))

describe('webhooks of a running service', () => {
  it('are delivered signed, in each form, by subscriptions that change while it runs and outlive it', () =>
    withShop(async ({ data, receiver, start }) => {
      const server = await start()
      assert.deepEqual((await server.get('/v1/webhooks')).body, { webhooks: [] })
      assert.deepEqual(await lines(['sinks', 'list', '--data', data]), [], 'nothing is kept for nobody')
      const kindred = await subscribe(server, { url: `${receiver.url}/kindred` })
      const cloud = await subscribe(server, { url: `${receiver.url}/cloud`, format: 'cloudevents' })
      const segment = await subscribe(server, { url: `${receiver.url}/segment`, format: 'segment' })
      const secrets: Record<string, string> = {
        '/hook/kindred': kindred.secret,
        '/hook/cloud': cloud.secret,
        '/hook/segment': segment.secret,
      }
      assert.equal((await server.post(purchasedBy('a', 3))).status, 202)
      for (const { id } of [kindred, cloud, segment])
        await until(
          'it is told',
          async () => ((await server.get(`/v1/webhooks/${id}`)).body.delivered as number) > 0,
        )
      await settled(server, kindred.id)
      const changes = await changesIn(data, 'a-')
      assert.ok(changes.length >= 6, `${changes.length} changes`)
      for (const { id } of [kindred, cloud, segment]) await settled(server, id)
      for (const message of receiver.received)
        await verifySigned(message, { secret: secrets[message.path]!, nowSeconds: Date.now() / 1000 })
      const at = (path: string) => receiver.received.filter((one) => one.path === path)
      assert.deepEqual(
        at('/hook/kindred')
          .map(changeIn)
          .sort((a, b) => (a.event_id < b.event_id ? -1 : 1)),
        [...changes].sort((a, b) => (a.event_id < b.event_id ? -1 : 1)),
      )
      assert.equal(at('/hook/cloud').length, changes.length)
      const moves = changes.flatMap(({ entered, exited }) => [...exited, ...entered])
      assert.equal(at('/hook/segment').length, moves.length)
      assert.equal(
        new Set(at('/hook/segment').map(({ headers }) => headers['webhook-id'])).size,
        moves.length,
      )

      await call(server, { method: 'PATCH', path: `/v1/webhooks/${cloud.id}`, body: { active: false } })
      assert.equal((await call(server, { method: 'DELETE', path: `/v1/webhooks/${segment.id}` })).status, 204)
      const { body: rotated } = await call(server, {
        method: 'POST',
        path: `/v1/webhooks/${kindred.id}/rotate`,
        body: { grace_hours: 1 },
      })
      const { stderr } = await server.stop()
      const [sink] = await lines<{ name: string; undelivered: number }>(['sinks', 'list', '--data', data])
      assert.deepEqual([sink?.name, sink?.undelivered], ['webhooks', 0])
      receiver.received.length = 0
      const again = await start()
      assert.equal((await again.post(purchasedBy('b', 1))).status, 202)
      await until('it is told', () => receiver.received.length > 0)
      await settled(again, kindred.id)
      assert.ok(receiver.received.every(({ path }) => path === '/hook/kindred'))
      for (const secret of [kindred.secret, rotated.secret as string])
        await verifySigned(receiver.received[0]!, { secret, nowSeconds: Date.now() / 1000 })
      const shown = JSON.stringify([
        (await again.get('/v1/webhooks')).body,
        (await again.get(`/v1/webhooks/${kindred.id}`)).body,
        await json(['webhooks', 'list', '--data', data]).catch(() => ''),
      ])
      const logs = stderr + (await again.stop()).stderr
      for (const secret of [kindred.secret, cloud.secret, segment.secret, rotated.secret as string])
        assert.ok(!shown.includes(secret.slice(6)) && !logs.includes(secret.slice(6)), 'a secret was shown')
    }))

  it(`bring each change at least once with one id, in order, over ${kills} kills and a receiver that fails`, () =>
    withShop(async ({ data, receiver, start }) => {
      const random = rngFor({ seed: 20260101, text: 'receiver', position: 0 })
      receiver.behave = () => {
        const draw = random.below(10)
        if (draw < 5) return well
        if (draw === 5) return 'close'
        if (draw === 6) return 'short'
        return { status: draw === 7 ? 500 : draw === 8 ? 302 : 429, headers: { location: '/elsewhere' } }
      }
      let server = await start()
      const { id, secret } = await subscribe(server, { url: receiver.url })
      for (let kill = 0; kill < kills; kill++) {
        const before = receiver.received.length
        assert.equal((await server.post(purchasedBy(`k${kill}`, 20))).status, 202)
        const more = 5 + random.below(80)
        await until('some were sent', () => receiver.received.length > before + more)
        await server.kill()
        server = await start()
      }
      receiver.behave = () => well
      await settled(server, id)
      const changes = await changesIn(data, 'k')
      assert.ok(changes.length >= kills * 20 * 4, `${changes.length} changes`)
      const arrived = inUserOrder(receiver.received)
      for (const message of receiver.received) {
        assert.equal(message.path, '/hook')
        await verifySigned(message, { secret, nowSeconds: Date.now() / 1000 })
      }
      const expected = new Map<string, string[]>()
      for (const { user_id, event_id } of changes)
        expected.set(user_id, [...(expected.get(user_id) ?? []), event_id])
      assert.deepEqual(new Map([...arrived].sort()), new Map([...expected].sort()))
      assert.equal((await server.stop()).code, 0)
    }))

  it('of an erased user are not sent any more, and a receiver that is dead stops nothing', () =>
    withShop(async ({ data, receiver, start }) => {
      receiver.behave = ({ path }) => (path === '/hook/dead' ? 'stall' : well)
      const server = await start()
      const dead = await subscribe(server, { url: `${receiver.url}/dead` })
      const alive = await subscribe(server, { url: receiver.url })
      assert.equal((await server.post(purchasedBy('e', 4))).status, 202)
      await settled(server, alive.id)
      await until('it waits', async () => (await server.get(`/v1/webhooks/${dead.id}`)).body.queued !== 0)
      await succeed(['erase', 'e-1', '--data', data], { env: hookEnv })
      const left = await changesIn(data, 'e-')
      const mine = (user: string) =>
        receiver.received.filter((one) => one.path === '/hook/dead' && changeIn(one).user_id === user)
      await until('it is forgotten', async () => {
        const { queued } = (await server.get(`/v1/webhooks/${dead.id}`)).body
        return queued === left.length
      })
      await server.kill()
      await succeed(['erase', 'e-2', '--data', data], { env: hookEnv })
      const changes = await changesIn(data, 'e-')
      const before = [mine('e-1').length, mine('e-2').length]
      receiver.behave = () => well
      const again = await start()
      await settled(again, dead.id)
      assert.deepEqual([mine('e-1').length, mine('e-2').length], before)
      assert.deepEqual(
        new Set(
          receiver.received
            .filter((one) => one.path === '/hook/dead')
            .map((one) => changeIn(one).event_id)
            .filter((id) => changes.some((change) => change.event_id === id)),
        ),
        new Set(changes.map(({ event_id }) => event_id)),
      )
      assert.equal((await again.stop()).code, 0)
    }))

  it('are administered by the command, too, and go nowhere private unless it is allowed', () =>
    withShop(async ({ data, receiver, start }) => {
      const strict = await run(['webhooks', 'add', receiver.url, '--data', data])
      assert.equal(strict.code, 2)
      assert.match(strict.stderr, /^kindred: the URL is not https[^\n]+\n$/)
      const env = hookEnv
      const { id, secret } = await json<{ id: string; secret: string }>(
        ['webhooks', 'add', receiver.url, '--persona', 'Gardener', '--direction', 'entered', '--data', data],
        { env },
      )
      const server = await start()
      assert.equal((await server.post(purchasedBy('c', 2))).status, 202)
      await until('both are told', () => receiver.received.length === 2)
      for (const message of receiver.received) {
        await verifySigned(message, { secret, nowSeconds: Date.now() / 1000 })
        assert.ok(changeIn(message).entered.some(({ persona }) => persona === 'Gardener'))
      }
      const [listed] = await lines<{ id: string; delivered: number }>(['webhooks', 'list', '--data', data])
      assert.equal(listed!.id, id)
      const copy = `${data}-copy`
      await succeed(['backup', copy, '--data', data])
      assert.deepEqual(await lines(['webhooks', 'list', '--data', copy]), [listed])
      assert.deepEqual(await lines(['webhooks', 'dead-letters', id, '--data', data]), [])
      assert.deepEqual(await json(['webhooks', 'replay', id, '--data', data]), { replayed: 0, left: 0 })
      assert.equal((await run(['webhooks', 'remove', 'wh_none', '--data', data])).code, 2)
      await succeed(['webhooks', 'remove', id, '--data', data])
      assert.deepEqual(await lines(['webhooks', 'list', '--data', data]), [])
      await server.post(purchasedBy('d', 2))
      await until('nothing waits', async () => (await server.get('/readyz')).body.backlog === 0)
      assert.equal((await server.stop()).code, 0)
      assert.equal(receiver.received.length, 2)
    }))
})
