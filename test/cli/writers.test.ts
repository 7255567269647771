// One writer a directory: the second is told who the first is, a dead one holds nothing, and what is handed over is applied.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { takeWriterLock } from '../../src/store/lock.ts'
import { json, run, start, succeed, withDirectory } from '../support/command.ts'
import { ndjsonOf, purchases } from '../support/events.ts'
import { assertSound } from '../support/exports.ts'
import { until } from '../support/wait.ts'

describe('two writers', () => {
  it('of one directory: the second is refused, naming the first, and the first goes on', () =>
    withDirectory(async (dir) => {
      await succeed(['replay', '-', '--data', dir], { stdin: ndjsonOf(purchases(3)) })
      const lock = takeWriterLock(dir, 'test')
      for (const args of [['replay', '-'], ['serve', '--port', '0'], ['migrate']]) {
        const { code, stdout, stderr } = await run([...args, '--data', dir])
        assert.deepEqual([code, stdout], [1, ''], args.join(' '))
        assert.match(
          stderr,
          new RegExp(`^kindred: .*\`kindred test\` \\(process ${process.pid}\\)[^\\n]+\\n$`),
        )
      }
      await succeed(['lookup', 'u0', '--data', dir])
      await assertSound(dir)
      lock.release()
      assert.equal((await json(['replay', '-', '--data', dir], { stdin: ndjsonOf(purchases(4)) })).applied, 1)
    }))

  it('where the first was killed: nothing of it is in the way', () =>
    withDirectory(async (dir) => {
      const running = start(['serve', '--port', '0', '--data', dir])
      await until('it serves', () => running.stderr().includes('"address"'))
      running.child.kill('SIGKILL')
      assert.equal((await running.ended).signal, 'SIGKILL')
      assert.equal((await json(['replay', '-', '--data', dir], { stdin: ndjsonOf(purchases(2)) })).applied, 2)
      const { checks } = await json<{ checks: { name: string; detail: string }[] }>(['doctor', '--data', dir])
      assert.match(checks.find(({ name }) => name === 'writer')!.detail, /none running/)
    }))
})

describe('a command handed to a writer', () => {
  for (const args of [
    ['erase', 'u0'],
    ['quarantine', 'replay', '0'],
  ])
    it(`is applied here when that writer ends without doing it: ${args.join(' ')}`, () =>
      withDirectory(async (dir) => {
        await succeed(['replay', '-', '--data', dir], { stdin: `${ndjsonOf(purchases(3))}bad\n` })
        const lock = takeWriterLock(dir, 'test') // one that holds the lock, and consumes nothing
        const running = start([...args, '--data', dir, '--json'], { secondsMax: 20 })
        await until('it says so', () => running.stderr().includes('handed to `kindred test`'))
        lock.release()
        const { code, stdout } = await running.ended
        assert.equal(code, 0, 'it waits for a writer that has gone')
        JSON.parse(stdout)
        await assertSound(dir)
      }))
})

describe('a data directory', () => {
  it('may have any name, and lie in directories that are not there yet', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'a b', "ö 'quoted'", '-x')
      await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf(purchases(2)) })
      await assertSound(data)
    }))

  it('that is a file is a clear error', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf(purchases(2)) })
      const file = join(data, 'writer.lock')
      for (const args of [['replay', '-'], ['verify'], ['serve', '--port', '0']]) {
        const { code, stderr } = await run([...args, '--data', file])
        assert.equal(code, 1)
        assert.match(stderr, /^kindred: [^\n]*--data[^\n]*\n$/)
      }
    }))
})
