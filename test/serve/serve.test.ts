// `serve` as a process: it says where it listens, takes events, answers lookups, refuses past its limits, and drains.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { openLog } from '../../src/profiler.ts'
import { parseLines, run, succeed, withDirectory } from '../support/command.ts'
import { assertSound } from '../support/exports.ts'
import { logged, serve } from '../support/server.ts'
import { purchasesOf } from '../support/traffic.ts'
import { until } from '../support/wait.ts'

describe('serve', () => {
  it('says on stderr as JSON where it listens, takes events, answers lookups and ends with 0', () =>
    withDirectory(async (dir) => {
      const server = await serve(dir)
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
      assert.equal((await server.get('/healthz')).status, 200)
      assert.equal((await server.get('/readyz')).body.status, 'ready')
      assert.equal((await server.lookUp('a-0')).status, 404)
      const { status, body } = await server.post(purchasesOf('a', 3))
      assert.equal(status, 202)
      assert.deepEqual(body, { accepted: 3, first_position: 0, next_position: 3 })
      const answer = await until('a-2 is known', async () => {
        const reply = await server.lookUp('a-2')
        return reply.status === 200 && reply.body
      })
      assert.equal(answer.status, 'unknown')
      assert.match(String(answer.missing), /prototypes import/)
      const { code, stdout, stderr } = await server.stop()
      assert.equal(code, 0)
      assert.equal(stdout, '')
      const messages = logged(stderr).map(({ msg }) => msg)
      assert.deepEqual(messages.slice(-3), ['serving', 'draining', 'stopped'])
      await assertSound(dir)
    }))

  it('knows users of any name, and what a lookup shows is what the command shows', () =>
    withDirectory(async (dir) => {
      const server = await serve(dir)
      const names = [
        'a/b',
        '100 %',
        'é漢👶',
        '\u202eabc',
        'e\u0301',
        '\u0000',
        ' ',
        '?x=1#y',
        '%2F',
        '家'.repeat(85),
      ]
      const events = names.map((user_id, n) => ({ ...purchasesOf('x', 1)[0], event_id: `o${n}`, user_id }))
      assert.equal((await server.post(events)).status, 202)
      await until('the last is known', async () => (await server.lookUp(names.at(-1)!)).status === 200)
      for (const name of names) {
        const { status, body } = await server.lookUp(name)
        assert.deepEqual([status, body.user_id], [200, name], JSON.stringify(name))
      }
      const sayable = names.filter((name) => !name.includes('\u0000')) // no command has NUL in an argument
      const shown = await succeed(['lookup', '--data', dir, '--json', '--', ...sayable])
      for (const [n, answer] of parseLines(shown).entries())
        assert.deepEqual(answer, (await server.lookUp(sayable[n]!)).body)
      assert.equal((await server.stop()).code, 0)
    }))

  it('refuses events with 503 while more wait than KINDRED_LOG_BACKLOG_MAX, and takes them after', () =>
    withDirectory(async (dir) => {
      const env = { KINDRED_LOG_BACKLOG_MAX: '2000', KINDRED_BATCH_SIZE: '32' }
      const server = await serve(dir, { env })
      await stuff(dir, 20_000)
      const { status, headers, body } = await server.post(purchasesOf('late', 1))
      assert.equal(status, 503)
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
      assert.ok(Number(headers.get('retry-after')) > 0)
      assert.match(String(body.detail), /\d+ events wait.*again/)
      assert.equal((await server.lookUp('late-0')).status, 404)
      const taken = await until('it is taken', async () => {
        const reply = await server.post(purchasesOf('late', 1))
        return reply.status === 202 && reply.body
      })
      assert.equal(taken.first_position, 20_000)
      await until('it is applied', async () => (await server.lookUp('late-0')).status === 200)
      assert.equal((await server.stop()).code, 0)
    }))

  it('is refused a directory that another writes, which goes on', () =>
    withDirectory(async (dir) => {
      const server = await serve(dir)
      for (const args of [['serve', '--port', '0'], ['replay', '-'], ['migrate']]) {
        const { code, stderr } = await run([...args, '--data', dir])
        assert.equal(code, 1, args[0])
        const holder = `\`kindred serve\` \\(process ${server.child.pid}\\)`
        assert.match(stderr, new RegExp(`^kindred: .*${holder}.*\\n$`), args[0])
      }
      assert.equal((await server.post(purchasesOf('a', 1))).status, 202)
      assert.equal((await server.stop()).code, 0)
    }))

  it('says so when its port is taken, or is none', () =>
    withDirectory(async (dir) => {
      const other = createServer()
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
      const { port } = other.address() as AddressInfo
      const taken = await run(['serve', '--port', String(port), '--data', join(dir, 'data')])
      other.close()
      assert.equal(taken.code, 1)
      assert.match(taken.stderr, /kindred: cannot listen on .*EADDRINUSE.*--port\n$/)
      for (const port of ['70000', 'abc', '-1']) {
        const { code, stderr } = await run(['serve', `--port=${port}`, '--data', join(dir, 'data')])
        assert.equal(code, 2, port)
        assert.match(stderr, /^kindred: .*PORT.*\n$/)
      }
    }))

  it('ends on SIGTERM although a client does not finish its request', () =>
    withDirectory(async (dir) => {
      const server = await serve(dir)
      const client = connect(Number(new URL(server.url).port), '127.0.0.1')
      client.on('error', () => undefined)
      await new Promise((resolve) => client.once('connect', resolve))
      const head =
        'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n['
      await new Promise((resolve) => client.write(head, resolve))
      assert.equal((await server.post(purchasesOf('a', 1))).status, 202) // the half request has arrived
      const late = setTimeout(() => server.child.kill('SIGKILL'), 10_000)
      const { code, signal } = await server.stop()
      clearTimeout(late)
      client.destroy()
      assert.deepEqual({ code, signal }, { code: 0, signal: null })
    }))
})

/** Appends events of users `stuffed-…` to the log directly, all at once. */
async function stuff(dir: string, count: number): Promise<void> {
  const log = openLog({ dir, config: configFrom({}) })
  const records = purchasesOf('stuffed', count).map((event) => Buffer.from(JSON.stringify(event)))
  log.append([{ format: { kind: 'json' }, records }])
  await log.close()
}
