// `serve --role`: one process ingests, others look up in the same directory, and go on while the one is down.
import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { run, type Settings, start, withDirectory } from '../support/command.ts'
import { logged, type Server, serve } from '../support/server.ts'
import { purchasesOf } from '../support/traffic.ts'
import { until } from '../support/wait.ts'

const ingesting = (dir: string) => serve(dir, { args: ['--role', 'ingest'] })
const lookingUp = (dir: string, env: Settings = {}) => serve(dir, { args: ['--role', 'lookup'], env })

describe('serve by roles', () => {
  it('answers from each process what one ingests, and no more what was erased', () =>
    withDirectory(async (dir) => {
      const ingest = await ingesting(dir)
      const lookups = [await lookingUp(dir), await lookingUp(dir)]
      assert.equal((await ingest.post(purchasesOf('a', 3))).status, 202)
      for (const lookup of lookups)
        await until('both know', async () => (await lookup.lookUp('a-2')).status === 200)
      const erased = await fetch(`${ingest.url}/v1/users/a-1`, { method: 'DELETE' })
      assert.equal(erased.status, 200)
      for (const lookup of lookups) {
        assert.equal((await lookup.lookUp('a-1')).status, 404, 'at once')
        assert.equal((await lookup.lookUp('a-2')).status, 200)
      }
      for (const server of [...lookups, ingest]) assert.equal((await server.stop()).code, 0)
    }))

  it('refuses what belongs to the other role, saying whom to ask', () =>
    withDirectory(async (dir) => {
      const ingest = await ingesting(dir)
      const lookup = await lookingUp(dir)
      const refusals = [
        [lookup, 'POST', '/v1/events', 'ingest'],
        [lookup, 'DELETE', '/v1/users/a', 'ingest'],
        [lookup, 'GET', '/v1/quarantine', 'ingest'],
        [ingest, 'GET', '/v1/users/a/personas', 'lookup'],
        [ingest, 'POST', '/v1/users/personas', 'lookup'],
        [ingest, 'GET', '/v1/changes/stream', 'lookup'],
      ] as const
      const ndjson = { 'content-type': 'application/x-ndjson' }
      for (const [server, method, path, other] of refusals) {
        const reply = await fetch(server.url + path, {
          method,
          ...(method === 'POST' ? { headers: ndjson, body: '{}' } : {}),
        })
        assert.equal(reply.status, 421, path)
        assert.equal(reply.headers.get('content-type'), 'application/problem+json; charset=utf-8')
        assert.match(((await reply.json()) as { detail: string }).detail, new RegExp(`--role ${other}`))
      }
      const heads = [`${ingest.url}/v1/users/a/personas`, `${lookup.url}/v1/quarantine`]
      for (const url of heads) assert.equal((await fetch(url, { method: 'HEAD' })).status, 421, url)
      assert.equal((await ingest.get('/nothing')).status, 404)
      assert.equal((await ingest.get('/readyz')).body.role, 'ingest')
      assert.equal((await lookup.get('/readyz')).body.role, 'lookup')
      for (const server of [lookup, ingest]) assert.equal((await server.stop()).code, 0)
    }))

  it('goes on looking up while ingest is down, says so, and sees what comes after', () =>
    withDirectory(async (dir) => {
      const first = await ingesting(dir)
      const lookup = await lookingUp(dir)
      await first.post(purchasesOf('a', 1))
      const stale = async () => (await lookup.lookUp('a-0')).headers.get('x-kindred-stale')
      await until('it is known', async () => (await lookup.lookUp('a-0')).status === 200)
      await until('it is fresh', async () => (await stale()) === null)
      assert.equal((await lookup.get('/readyz')).body.ingest_problem, null)
      await first.kill()
      await until('it is stale', async () => (await stale()) === 'down')
      const { status, body } = await lookup.get('/readyz')
      assert.deepEqual([status, body.status], [200, 'ready'])
      assert.match(String(body.ingest_problem), /not been heard of/)
      assert.ok(Number(body.behind_ms) > 0)
      const second = await ingesting(dir)
      await until('it is fresh', async () => (await stale()) === null)
      await second.post(purchasesOf('b', 1))
      await until('what came after is known', async () => (await lookup.lookUp('b-0')).status === 200)
      assert.equal((await second.stop()).code, 0)
      await until('an end is told at once', async () => {
        return /ended/.test(String((await lookup.get('/readyz')).body.ingest_problem))
      })
      assert.equal((await lookup.stop()).code, 0)
    }))

  it('waits for a directory that nobody has written yet', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      const early = start(['serve', '--port', '0', '--role', 'lookup', '--data', data])
      await until('it waits', () => early.stderr().includes('waiting'))
      const ingest = await ingesting(data)
      await until('it serves', () => logged(early.stderr()).some(({ msg }) => msg === 'serving'))
      early.child.kill('SIGTERM')
      assert.equal((await early.ended).code, 0)
      assert.equal((await ingest.stop()).code, 0)
    }))

  it('ends when the directory is replaced below it: it would answer from the old one for good', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      const ingest = await ingesting(data)
      const lookup = await lookingUp(data)
      assert.equal((await ingest.stop()).code, 0)
      await rename(data, join(dir, 'before'))
      const { code, stderr } = await lookup.ended
      assert.equal(code, 1)
      assert.match(stderr, /removed or replaced while it was read: start again/)
    }))

  it('ends at once when it is told to while it waits', () =>
    withDirectory(async (dir) => {
      const early = start(['serve', '--port', '0', '--role', 'lookup', '--data', join(dir, 'data')])
      await until('it waits', () => early.stderr().includes('waiting'))
      early.child.kill('SIGTERM')
      const { code, stderr } = await early.ended
      assert.equal(code, 0, stderr)
      assert.match(stderr, /stopped before it served/)
    }))

  it('refuses settings that answers depend on and that the directory was not made with', () =>
    withDirectory(async (dir) => {
      const ingest = await ingesting(dir)
      const args = ['serve', '--port', '0', '--role', 'lookup', '--data', dir]
      const { code, stderr } = await run(args, { env: { KINDRED_KAPPA: '4000' } })
      assert.equal(code, 1)
      assert.match(stderr, /kappa 3000.*4000/)
      assert.equal((await ingest.stop()).code, 0)
    }))

  it('refuses options that are for ingest', async () => {
    for (const args of [['--changes', 'c'], ['--prototypes', 'p'], ['--standby']]) {
      const { code, stderr } = await run(['serve', '--role', 'lookup', ...args])
      assert.equal(code, 2, args[0])
      assert.match(stderr, new RegExp(`^kindred: ${args[0]} .*\n$`))
    }
    assert.equal((await run(['serve', '--role', 'both'])).code, 2)
  })
})

describe('SIGTERM', () => {
  it('is answered with: not ready; and requests are answered for KINDRED_DRAIN_SECONDS', () =>
    withDirectory(async (dir) => {
      const ingest = await ingesting(dir)
      const lookup = await lookingUp(dir, { KINDRED_DRAIN_SECONDS: '2' })
      await ingest.post(purchasesOf('a', 1))
      await until('it is known', async () => (await lookup.lookUp('a-0')).status === 200)
      assert.equal((await lookup.lookUp('a-0')).headers.get('connection'), 'keep-alive')
      const ended = lookup.stop()
      await until('it is not ready', async () => (await lookup.get('/readyz')).status === 503)
      const leaving = await lookup.lookUp('a-0')
      assert.equal(leaving.status, 200)
      assert.equal(leaving.headers.get('connection'), 'close', 'its client goes elsewhere')
      assert.equal((await ended).code, 0)
      assert.equal((await ingest.stop()).code, 0)
    }))

  it('closes the connection of a request that was under way with its answer', () =>
    withDirectory(async (dir) => {
      const ingest = await ingesting(dir)
      const body = JSON.stringify(purchasesOf('a', 1))
      const { socket, answer } = await begun(ingest, body)
      const ended = ingest.stop()
      await until('it is told to end', () => /"msg":"draining"/.test(ingest.stderr()))
      socket.write(body.slice(1))
      assert.match(await answer, /\r\n\r\nHTTP\/1\.1 202 /)
      assert.match(await answer, /\r\nconnection: close\r\n/i)
      assert.equal((await ended).code, 0)
    }))

  it('fails no request of connections that are kept alive: they are answered, and closed', () =>
    withDirectory(async (dir) => {
      const ingest = await ingesting(dir)
      const lookup = await lookingUp(dir)
      const agents = Array.from({ length: 8 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
      const seen: string[] = []
      let ending = false
      const clients = agents.map(async (agent) => {
        while (!ending) seen.push(await statusOver(agent, lookup))
      })
      await until('they are under way', () => seen.length > 200)
      const ended = lookup.stop()
      await ended
      ending = true
      await Promise.all(clients)
      for (const agent of agents) agent.destroy()
      const odd = seen.filter((status) => status !== '200' && status !== 'ECONNREFUSED')
      // a connection that is idle may be closed as the next request is written, and one that was made again at that moment
      // with the socket that listened: its client sends it again
      assert.ok(odd.filter((status) => status !== 'ECONNRESET').length === 0, JSON.stringify(odd))
      assert.ok(odd.length <= 2 * agents.length, `${odd.length} were cut`)
      assert.equal((await ended).code, 0)
      assert.equal((await ingest.stop()).code, 0)
    }))
})

/** A POST of events of which all but the body's first byte is still to come, and what the server says until it closes. */
async function begun({ url }: Server, body: string): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let text = ''
  const answer = new Promise<string>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.once('close', () => resolve(text))
  })
  const head = `POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
  socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\nExpect: 100-continue\r\n\r\n`)
  await until('its head is read', () => text.includes(' 100 '))
  socket.write(body.slice(0, 1))
  return { socket, answer }
}

/** Status of a request over a connection of the agent, or the code of its failure. */
function statusOver(agent: Agent, { url }: Server): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(`${url}/healthz`, { agent }, (answer) => {
      answer.resume().once('end', () => resolve(String(answer.statusCode)))
    })
    asked.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asked.end()
  })
}
