// A full disk, and one that is read-only: a clear error, nothing acknowledged that is not stored, and sound data after.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { json, type Outcome, run, succeed, withDirectory } from '../support/command.ts'
import { assertSameExports, assertSound, exportsIn } from '../support/exports.ts'
import { type Server, serve } from '../support/server.ts'
import { shopLines, writeShop } from '../support/shop-files.ts'
import { type Disk, mountProblem, withDisk } from '../support/tmpfs.ts'
import { until } from '../support/wait.ts'

const events = 6000
/** Too small for the events, each a little larger than the one before; then enough. */
const sizes = ['1m', '2m', '3m', '64m']
/** KiB of room, in which the import, the log or the state finds the disk full. */
const fullRooms = [1100, 1200, 1300, 1500]
const problem = mountProblem()

/** A test with a disk of its own; on CI it may not be skipped. */
function onDisk(name: string, size: string, work: (disk: Disk) => Promise<void>): void {
  it(name, (t: TestContext) => {
    if (problem === undefined) return withDisk(size, work)
    if (process.env.CI === 'true') assert.fail(`a tmpfs must be mountable on CI: ${problem}`)
    t.skip(`cannot mount a tmpfs (${problem}): run as root to test full and read-only disks`)
    return undefined
  })
}

describe('a full disk', () => {
  onDisk('ends a replay with a clear error; with room it goes on to the same state', sizes[0]!, (disk) =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, await shopLines(events))
      const replay = (data: string) => [
        'replay',
        files.events,
        '--data',
        data,
        '--prototypes',
        files.prototypes,
      ]
      await succeed(replay(join(dir, 'calm')))
      const data = join(disk.path, 'data')
      let failures = 0
      for (const size of sizes) {
        disk.remount(`size=${size}`)
        const outcome = await run(replay(data))
        if (outcome.code === 0) break
        assertSaysFull(outcome)
        if (failures++ === 0 && existsSync(join(data, 'state', 'data.mdb'))) await assertSound(data)
      }
      assert.ok(failures >= 2, `the disk was full ${failures} times`)
      await assertSound(data)
      assertSameExports(await exportsIn(data), await exportsIn(join(dir, 'calm')))
      assert.equal((await json(replay(data))).events, 0)
    }),
  )

  onDisk('loses no event of a small file, whichever write found it full', '16m', (disk) =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, await shopLines(2000))
      const extras = ['--prototypes', files.prototypes]
      const replay = (data: string) => ['replay', files.events, '--data', data, ...extras]
      await succeed(replay(join(dir, 'calm')))
      const expected = await exportsIn(join(dir, 'calm'))
      let failures = 0
      for (const room of fullRooms) {
        const data = join(disk.path, `data-${room}`)
        disk.fill(room * 1024)
        if ((await run(replay(data))).code !== 0) failures++
        disk.makeRoom()
        await succeed(replay(data))
        assertSameExports(await exportsIn(data), expected)
      }
      assert.ok(failures >= 3, `the disk was full ${failures} times`)
    }),
  )

  onDisk(
    'refuses events with 503 while nothing can be stored, and takes them again with room',
    '8m',
    async (disk) => {
      const data = join(disk.path, 'data')
      const server = await serve(data)
      assert.equal((await server.post(eventsOf('early', 2))).status, 202)
      await applied(server, 'early-0')
      disk.fill(0)
      for (let n = 0; n < 3; n++) assertRefused(await server.post(eventsOf(`full-${n}`, 500)))
      disk.makeRoom()
      assert.equal((await server.post(eventsOf('late', 500))).status, 202)
      await applied(server, 'late-499')
      assert.equal((await server.stop()).code, 0)
      const users = await succeed(['export', 'users', '--data', data])
      assert.equal(users.split('\n').length - 1, 502, 'users of what was acknowledged, and nobody else')
      await assertSound(data)
    },
  )

  onDisk(
    'stops ingest with a clear error, and what was acknowledged is applied after',
    '8m',
    async (disk) => {
      const data = join(disk.path, 'data')
      const server = await serve(data)
      await server.post(eventsOf('early', 2))
      await applied(server, 'early-0')
      disk.fill(400 * 1024)
      const acknowledged: string[] = []
      for (let n = 0; server.child.exitCode === null && n < 200; n++) {
        const reply = await server.post(eventsOf(`n${n}`, 500)).catch(() => undefined) // it may have ended
        if (reply?.status === 202) acknowledged.push(`n${n}-0`, `n${n}-499`)
        else if (reply !== undefined) assertRefused(reply)
      }
      assertSaysFull(await server.ended)
      assert.ok(acknowledged.length > 0)
      disk.makeRoom()
      const again = await serve(data)
      await until('the backlog is applied', async () => (await again.get('/readyz')).body.backlog === 0)
      for (const user of acknowledged) assert.equal((await again.lookUp(user)).status, 200, user)
      assert.equal((await again.stop()).code, 0)
      await assertSound(data)
    },
  )

  onDisk('without room for a new data directory says so', '4k', async (disk) => {
    const outcome = await run(['replay', '-', '--data', join(disk.path, 'data')], { stdin: ndjsonOf('a', 1) })
    assertSaysFull(outcome)
  })
})

describe('a read-only disk', () => {
  onDisk('is said by commands that write, and served by those that read', '8m', async (disk) => {
    const data = join(disk.path, 'data')
    await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf('a', 3) })
    const before = await succeed(['export', 'users', '--data', data])
    disk.remount('ro')
    for (const args of [['replay', '-'], ['erase', 'a-0'], ['serve', '--port', '0'], ['migrate']]) {
      const { code, stderr } = await run([...args, '--data', data], { stdin: ndjsonOf('b', 3) })
      assert.equal(code, 1, args.join(' '))
      assert.match(stderr, /^kindred: cannot write to .*read-only file system.*--data\n$/, args.join(' '))
    }
    assert.equal(await succeed(['export', 'users', '--data', data]), before)
    await succeed(['lookup', 'a-0', '--data', data])
    await assertSound(data)
    const doctor = await run(['doctor', '--data', data])
    assert.equal(doctor.code, 1)
    assert.match(doctor.stdout, /^fail .*read-only/im)
  })
})

function assertSaysFull({ code, signal, stderr }: Outcome): void {
  assert.equal(code, 1, `ended with ${signal ?? code}: ${stderr}`)
  assert.match(stderr, /^kindred: .*full.*make room.*$/m) // a line of the log may still come after it
}

function assertRefused({ status, headers, body }: Awaited<ReturnType<Server['post']>>): void {
  assert.equal(status, 503, JSON.stringify(body))
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.ok(Number(headers.get('retry-after')) > 0)
  assert.match(String(body.detail), /none was taken/)
}

async function applied(server: Server, user: string): Promise<void> {
  await until(`${user} is applied`, async () => (await server.lookUp(user)).status === 200)
}

/** One purchase of each of `count` users named after `name`. */
function eventsOf(name: string, count: number): object[] {
  return Array.from({ length: count }, (_, n) => ({
    event_id: `${name}:${n}`,
    user_id: `${name}-${n}`,
    product_id: `p${n % 20}`,
    type: 'purchase',
    ts: '2025-01-01T00:00:00Z',
  }))
}

function ndjsonOf(name: string, count: number): string {
  return eventsOf(name, count)
    .map((event) => `${JSON.stringify(event)}\n`)
    .join('')
}
