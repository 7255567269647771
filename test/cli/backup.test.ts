// backup of a directory in use: the copy is sound, and goes on from where it was taken to the same end.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { openLog, openReader } from '../../src/profiler.ts'
import { json, run, start, succeed, withDirectory } from '../support/command.ts'
import { ndjsonOf, purchases } from '../support/events.ts'
import { assertSameExports, assertSound, countersIn, exportsIn } from '../support/exports.ts'
import { serve } from '../support/server.ts'
import { ndjson, type ShopLines, shopLines, writeShop } from '../support/shop-files.ts'
import { traffic } from '../support/traffic.ts'
import { until } from '../support/wait.ts'

const config = configFrom({})

describe('backup', () => {
  it('of a directory that a replay writes goes on, restored, to the same state', () =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, withBadLines(await shopLines(12_000)))
      const data = join(dir, 'data')
      const replay = (place: string) => {
        const extras = ['--prototypes', files.prototypes, '--batch-size', '64']
        return ['replay', files.events, '--data', place, ...extras]
      }
      const running = start(replay(data))
      const under = async () => ((await countersIn(data))?.position ?? 0) > 1000
      await until('a thousand records are applied', under)
      const copy = join(dir, 'copy')
      const { position } = await json(['backup', copy, '--data', data])
      assert.equal((await running.ended).code, 0)
      const expected = await exportsIn(data)
      assert.ok(Number(position) > 1000 && Number(position) < expected.counters.position, 'amid the replay')
      await assertSound(copy)
      await succeed(replay(copy))
      const found = await exportsIn(copy)
      assertSameExports(found, expected)
      assert.equal(found.counters.quarantined, expected.counters.quarantined)
      await assertSound(copy)
    }))

  it('whose state was copied later than its log goes on all the same', () =>
    withDirectory(async (dir) => {
      const { events, prototypes } = await shopLines(3000)
      const [data, copy] = [join(dir, 'data'), join(dir, 'copy')]
      const files = writeShop(dir, { events: events.slice(0, 1000), prototypes })
      const [all, extra] = ['all', 'extra'].map((name) => join(dir, name)) as [string, string]
      writeFileSync(all, ndjson(events))
      writeFileSync(extra, ndjsonOf(purchases(50)))
      await succeed(['replay', files.events, '--data', data, '--prototypes', files.prototypes])
      for (const part of ['log', 'state']) mkdirSync(join(copy, part), { recursive: true })
      const log = openLog({ dir: data, config })
      await log.backup(join(copy, 'log'))
      await log.close()
      await succeed(['replay', all, '--data', data]) // what the state has, and the log has not
      const store = openReader({ dir: data, config })
      await store.environment.env.backup(join(copy, 'state'), true)
      await store.close()
      for (const place of [data, copy]) await succeed(['replay', all, extra, '--data', place])
      assertSameExports(await exportsIn(copy), await exportsIn(data))
      await assertSound(copy)
    }))

  it('of a directory that a server writes holds what was applied, and takes what comes', () =>
    withDirectory(async (dir) => {
      const [data, copy] = [join(dir, 'data'), join(dir, 'deep', 'copy')]
      const server = await serve(data)
      const stream = traffic(server, { name: 'a', clients: 4, perRequest: 20 })
      await until('events flow', () => stream.acknowledged.length > 1000)
      const before = [...stream.acknowledged]
      await until('they are applied', async () => (await server.lookUp(before.at(-1)!)).status === 200)
      await succeed(['backup', copy, '--data', data])
      await stream.stop()
      assert.equal((await server.stop()).code, 0)
      await assertSound(copy)
      const restored = await serve(copy)
      for (const user of before.filter((_, n) => n % 50 === 0))
        assert.equal((await restored.lookUp(user)).status, 200, user)
      assert.equal((await restored.post(purchases(3))).status, 202)
      await until('new events are applied', async () => (await restored.lookUp('u2')).status === 200)
      assert.equal((await restored.stop()).code, 0)
      await assertSound(copy)
    }))

  it('goes nowhere but into a new or empty directory', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf(purchases(3)) })
      const [full, file, empty] = ['full', 'file', 'empty'].map((name) => join(dir, name))
      mkdirSync(join(full!, 'sub'), { recursive: true })
      mkdirSync(empty!)
      writeFileSync(file!, 'a file')
      for (const target of [full!, file!, data]) {
        const { code, stderr } = await run(['backup', target, '--data', data])
        assert.equal(code, 2, target)
        assert.match(stderr, /^kindred: .*name a new.*\n$/)
      }
      assert.deepEqual(await json(['backup', empty!, '--data', data]), { backup: empty, position: 3 })
    }))
})

/** Every hundredth event is followed by a record that is none. */
function withBadLines({ events, prototypes }: ShopLines): ShopLines {
  return {
    events: events.flatMap((line, n) => (n % 100 === 0 ? [line, `record ${n} is no event`] : [line])),
    prototypes,
  }
}
