// What processes that only look up know of ingest by its file: whether it lives, also when the clock is set.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StatusReader, StatusWriter } from '../../src/ingest-status.ts'
import { withDirectory } from '../support/command.ts'

const hour = 3_600_000

describe('the status of ingest', () => {
  it('is heard of while its file changes, whatever the clock is set to', () =>
    withDirectory(async (dir) => {
      let [now, steady] = [10 * hour, 0]
      const writer = new StatusWriter(dir)
      const write = () => writer.write({ pid: 1, at: now, waiting: 0, behind_ms: 7, problem: null })
      const pass = (ms: number) => {
        now += ms
        steady += ms
      }
      await write()
      const reader = new StatusReader(dir, { now: () => now, steady: () => steady })
      const looked = () => {
        reader.look()
        return [reader.problem() === undefined, reader.behindMs()]
      }
      assert.deepEqual(looked(), [true, 7])
      now += hour
      assert.deepEqual(looked(), [true, 7], 'set forward')
      pass(1000)
      await write()
      assert.deepEqual(looked(), [true, 7])
      now -= 2 * hour
      pass(1000)
      await write()
      assert.deepEqual(looked(), [true, 7], 'set back')
      pass(5000)
      assert.deepEqual(looked(), [false, 5007], 'it is down')
      now -= hour
      pass(1000)
      assert.deepEqual(looked(), [false, 6007], 'set back while it is down')
    }))

  it('that was there before says by the clock how old it is; one of the future is taken for new', () =>
    withDirectory(async (dir) => {
      await new StatusWriter(dir).write({ pid: 1, at: 10 * hour, waiting: 0, behind_ms: 0, problem: null })
      const late = new StatusReader(dir, { now: () => 11 * hour, steady: () => 5 })
      assert.match(late.problem() ?? '', /process 1.* not been heard of for 3600 s/)
      let steady = 0
      const early = new StatusReader(dir, { now: () => 9 * hour, steady: () => steady })
      assert.equal(early.problem(), undefined)
      steady = 5000
      early.look()
      assert.match(early.problem() ?? '', /not been heard of for 5 s/)
    }))
})
