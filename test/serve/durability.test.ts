// What `serve` acknowledged is never lost: not when it is killed right after, not when it is stopped amid a stream.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withDirectory } from '../support/command.ts'
import { assertSound, exportsIn } from '../support/exports.ts'
import { type Server, serve } from '../support/server.ts'
import { purchasesOf, traffic } from '../support/traffic.ts'
import { until } from '../support/wait.ts'

const kills = 3

describe('events acknowledged with 202', () => {
  it(`are there after kill -9 right behind the answer, ${kills} times over`, () =>
    withDirectory(async (dir) => {
      const acknowledged: string[] = []
      for (let kill = 0; kill < kills; kill++) {
        const server = await serve(dir)
        const amid = traffic(server, { name: `amid-${kill}`, clients: 3, perRequest: 20 })
        const last = purchasesOf(`last-${kill}`, 50)
        assert.equal((await server.post(last)).status, 202)
        await server.kill()
        await amid.stop()
        acknowledged.push(...last.map(({ user_id }) => user_id), ...amid.acknowledged)
      }
      const server = await serve(dir)
      await settled(server)
      for (const user of acknowledged.filter((_, n) => n % 10 === 0))
        assert.equal((await server.lookUp(user)).status, 200, user)
      assert.equal((await server.stop()).code, 0)
      await assertUsers(dir, acknowledged)
    }))

  it('are applied after SIGTERM in the middle of a stream of them, which ends with 0', () =>
    withDirectory(async (dir) => {
      const server = await serve(dir)
      const stream = traffic(server, { name: 'stream', clients: 8, perRequest: 25 })
      await until('the stream flows', () => stream.acknowledged.length > 1000)
      const { code, stderr } = await server.stop()
      await stream.stop()
      assert.equal(code, 0, stderr)
      const again = await serve(dir)
      await settled(again)
      assert.equal((await again.stop()).code, 0)
      await assertUsers(dir, stream.acknowledged)
    }))

  it('are applied once although the client, not knowing, sends them again', () =>
    withDirectory(async (dir) => {
      const purchases = purchasesOf('a', 30)
      const first = await serve(dir)
      await Promise.all([first.post(purchases), first.post(purchases)])
      await first.kill()
      const server = await serve(dir)
      await server.post(purchases)
      await settled(server)
      await server.stop()
      const edges = (await exportsIn(dir)).graph.map((line) => JSON.parse(line) as { net_quantity: number })
      assert.equal(edges.length, 30)
      assert.ok(edges.every(({ net_quantity }) => net_quantity === 1))
    }))
})

async function settled(server: Server): Promise<void> {
  await until('nothing waits', async () => (await server.get('/readyz')).body.backlog === 0)
}

/** Every one of `users` is known, and nothing is amiss. */
async function assertUsers(dir: string, users: readonly string[]): Promise<void> {
  const { users: lines } = await exportsIn(dir)
  const known = new Set(lines.map((line) => (JSON.parse(line) as { user_id: string }).user_id))
  assert.ok(users.length > 0)
  assert.deepEqual(
    users.filter((user) => !known.has(user)),
    [],
    'acknowledged, and lost',
  )
  await assertSound(dir)
}
